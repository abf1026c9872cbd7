# bash completion for heapsift; made by: heapsift completion bash
_heapsift() {
	local IFS=$'\n' current=${COMP_WORDS[COMP_CWORD]} line
	COMPREPLY=()
	while read -r line; do
		if [[ $line == :files ]]; then
			compopt -o filenames 2>/dev/null
			COMPREPLY+=($(compgen -f -- "$current"))
		else
			COMPREPLY+=("${line%%$'\t'*}")
		fi
	done < <("$1" complete -- "${COMP_WORDS[*]:1:COMP_CWORD-1}" "$current" 2>/dev/null)
}
complete -F _heapsift heapsift
