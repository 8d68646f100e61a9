# SPDX-License-Identifier: GPL-2.0-or-later
# fish completion for labctl; labctl itself knows what may come next.
complete -c labctl -a '(labctl __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
