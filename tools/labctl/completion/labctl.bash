# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for labctl; labctl itself knows what may come next.
_labctl()
{
    local words cur
    # A colon separates words for readline, but not for labctl (r1:eth0).
    if declare -F _get_comp_words_by_ref >/dev/null; then
        local cword
        _get_comp_words_by_ref -n : cur words cword
        words=("${words[@]:1:cword}")
    else
        words=("${COMP_WORDS[@]:1:COMP_CWORD}")
        cur=${COMP_WORDS[COMP_CWORD]}
    fi
    mapfile -t COMPREPLY < <(labctl __complete "${words[@]}" 2>/dev/null)
    if declare -F __ltrim_colon_completions >/dev/null; then
        __ltrim_colon_completions "$cur"
    fi
}
complete -o default -F _labctl labctl
