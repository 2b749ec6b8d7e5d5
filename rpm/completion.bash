# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion of the programs beside vm-ctl, installed under the name of each: bash-completion
# looks for a file of the command's name. A test holds its words beside those of the programs.

_pm_kvm_tools() {
    local program=${1##*/} current=$2 before=$3 words
    COMPREPLY=()
    # Readline has made words of its own of --option=value.
    [[ $current == = ]] && current=''
    [[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD - 2]}
    case $program:$before in
        diskd:-N)
            mapfile -t COMPREPLY < <(compgen -f -- "${current:-/dev/}")
            return ;;
        diskd:-[aIimrt]) return ;;
        diskd:-[Deow]) words='--status --debug --version --help' ;;
        ifcheckd:-[adi] | ifcheckd:--attribute | ifcheckd:--dampen) return ;;
        *:--file | *:--keys | *:--debug-file | *:-D | *:-p | *:--pidfile)
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return ;;
        vm-managerd:-c | vm-managerd:--config)
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return ;;
        vm-managerd:-[nv] | vm-managerd:--name | vm-managerd:--value) return ;;
        vm-client:-a | vm-client:--attributes | vm-client:--host-timeout | vm-client:--instance)
            return ;;
        *:--interval | *:--dampen) return ;;
        *:-d | *:--sock-dir)
            mapfile -t COMPREPLY < <(compgen -d -- "$current")
            return ;;
        vm-connect:-t | vm-connect:--type) words='stonith monitor' ;;
        vm-connectd:-t | vm-connectd:--type) words='host guest' ;;
        fence_vm_stonith:-o | fence_vm_stonith:--action)
            words='on off reboot status monitor list list-status validate-all metadata manpage' ;;
        fence_vm_helper:-o | fence_vm_helper:--action)
            words='off reboot status monitor list validate-all metadata manpage' ;;
        *:--cluster | *:--operations | *:--timeout | *:--id | *:--request | *:--send | *:-[ceirRn])
            return ;;
        diskd:*) words='--status --debug --version --help' ;;
        fence_vm_stonith:*)
            words='--action --plug --hostlist --delimiter --timeout --delay --quiet --verbose
                --debug-file --version --help' ;;
        fence_vm_helper:*)
            words='--action --plug --hostlist --run-dead-check --run-quorum-check --run-online-check
                --run-standby-wait --dead-check-target --dead-check-trialcount
                --standby-check-command --standby-wait-time --quorum-check-wait-time
                --trust-dead-check --quiet --verbose --debug-file --version --help' ;;
        ifcheckd:*)
            words='--interval --dampen --attribute --status --debug --daemonize --pidfile --version
                --help' ;;
        vm-adopt:*)
            words='--back --dry-run --timeout --version --help'
            [[ $current == -* ]] || words=$(crm_resource --list-raw 2>/dev/null) ;;
        vm-connect:*) words='--type --request --send --id --quiet --timeout --version --help' ;;
        vm-connectd:*)
            words='--type --sock-dir --status --debug --daemonize --pidfile --version --help' ;;
        vm-check:--host)
            words=$(crm_node --list 2>/dev/null | while read -r _ name _; do echo "$name"; done) ;;
        vm-check:--guest) words=$(virsh -q list --all --name 2>/dev/null) ;;
        vm-check:--format) words='text json dot prometheus' ;;
        vm-check:--output)
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return ;;
        vm-check:*) words='--host --guest --format --output --version --help' ;;
        vm-log:--since | vm-log:--host) return ;;
        vm-log:--resource) words=$(crm_resource --list-raw 2>/dev/null) ;;
        vm-log:*)
            words='--journal --since --follow --resource --host --json --version --help'
            [[ $current == -* ]] || {
                mapfile -t COMPREPLY < <(compgen -f -- "$current")
                return
            } ;;
        vm-managerd:*)
            words='--config --name --value --status --debug --daemonize --pidfile --version --help' ;;
        vm-client:*)
            words='--attributes --interval --host-timeout --dampen --instance --status --debug
                --version --help' ;;
        vm-stonithd:*) words='--keys --status --debug --version --help' ;;
        vm-stonith-key:*)
            case $COMP_CWORD:${COMP_WORDS[1]} in
                1:*) words='create list rotate token --version --help' ;;
                *:rotate) words='--file --force --help' ;;
                *:token) words='--cluster --operations --file --force --help' ;;
                *) words='--file --help' ;;
            esac ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _pm_kvm_tools \
    diskd fence_vm_helper fence_vm_stonith ifcheckd vm-adopt vm-check vm-client vm-connect \
    vm-connectd vm-log vm-managerd vm-stonith-key vm-stonithd
