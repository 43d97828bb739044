# bash completion for pf-status-relay(8). tests/test_completion.py compares it with what the program takes.
_pf_status_relay() {
    local current=$2 word command='' option='' taken='' words
    # What stands before the word: the command, and the option whose value this may be.
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in
            =) ;;
            -*) option=$word taken='' ;;
            *)
                if [[ -z $option || -n $taken && $option != --from-pflacpmonitor ]]; then
                    command+=${command:+ }$word
                else
                    taken=yes
                fi
                ;;
        esac
        case $option in
            --config | --from-pflacpmonitor | --log-format | --log-level | --probe | --role) ;;
            *) option='' ;;
        esac
    done
    [[ $current != = ]] || current=''

    words=''
    if [[ -n $option && ( -z $taken || $option == --from-pflacpmonitor ) && $current != -* ]]; then
        case $option in
            --config | --from-pflacpmonitor)
                compopt -o filenames 2>/dev/null
                mapfile -t COMPREPLY < <(compgen -f -- "$current")
                return
                ;;
            --log-format) words='auto journal json' ;;
            --log-level) words='debug info warn error' ;;
        esac
    else
        case $command in
            '') words='run status check machineconfig config --help --version' ;;
            run) words='--config --dry-run --log-format --log-level --help' ;;
            status) words='--config --json --watch --help' ;;
            check) words='--config --probe --json --help' ;;
            machineconfig) words='--role --config --from-env --from-pflacpmonitor --help' ;;
            config) words='show import --help' ;;
            'config show') words='--config --help' ;;
            'config import') words='--from-env --from-pflacpmonitor --help' ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _pf_status_relay pf-status-relay
