# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion of vm-ctl(8). A test holds its words beside those of the program.

# What begins like the last part of a list of domains, from lines on stdin.
_vm_ctl_offer() {
    local word=$1 before='' line
    [[ $word == *,* ]] && before=${word%,*},
    while IFS= read -r line; do
        [[ -n $line && $line == "${word#"$before"}"* ]] || continue
        COMPREPLY+=("$before$(printf %q "$line")")
    done
}

_vm_ctl_words() {
    local IFS=$'\n'
    _vm_ctl_offer "$1" <<<"${*:2}"
}

_vm_ctl() {
    local current=${COMP_WORDS[COMP_CWORD]} dry='--dry-run --format --config --help' options
    COMPREPLY=()
    case $COMP_CWORD in
        1) _vm_ctl_words "$current" resource location help --help --version; return ;;
        2) case ${COMP_WORDS[1]} in
               resource) _vm_ctl_words "$current" add delete start stop move unmove list ;;
               location) _vm_ctl_words "$current" move ;;
               help) _vm_ctl_words "$current" resource location add delete start stop move unmove list ;;
           esac
           return ;;
    esac
    case ${COMP_WORDS[COMP_CWORD - 1]} in
        -a | -b | -n)
            _vm_ctl_offer "$current" < <(crm_node --list 2>/dev/null | awk '{ print $2 }')
            return ;;
        -m) _vm_ctl_words "$current" on off; return ;;
        --format) _vm_ctl_words "$current" crm xml pcs; return ;;
        --config) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    esac
    if [[ $current != -* && ${COMP_WORDS[2]} == add ]]; then
        _vm_ctl_offer "$current" < <(virsh --quiet list --all --name 2>/dev/null)
    elif [[ $current != -* ]]; then
        # The first column, which may have single blanks in it.
        _vm_ctl_offer "$current" < <(vm-ctl resource list 2>/dev/null | sed '1,2d; s/  .*//')
    else
        case ${COMP_WORDS[*]:1:2} in
            'resource add') options="-a -m --running $dry" ;;
            'resource start' | 'resource stop') options="--no-wait $dry" ;;
            'resource move') options="-n --no-wait $dry" ;;
            'resource list') options='-n --json --config --help' ;;
            'location move') options="-b $dry" ;;
            *) options=$dry ;;
        esac
        # shellcheck disable=SC2086 # words are meant
        _vm_ctl_words "$current" $options
    fi
}

complete -F _vm_ctl vm-ctl
