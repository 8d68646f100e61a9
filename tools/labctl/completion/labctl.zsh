#compdef labctl
# SPDX-License-Identifier: GPL-2.0-or-later
# zsh completion for labctl; labctl itself knows what may come next.
_labctl()
{
    local -a offers
    offers=("${(@f)$(labctl __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n ${offers[1]} ]]; then
        compadd -a offers
    else
        _files
    fi
}
if [[ $funcstack[1] == _labctl ]]; then
    _labctl "$@"
else
    compdef _labctl labctl
fi
