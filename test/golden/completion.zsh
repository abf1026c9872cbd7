#compdef heapsift
# zsh completion for heapsift; made by: heapsift completion zsh
_heapsift() {
	local line files
	local -a found
	for line in "${(@f)$($words[1] complete -- "${(F)words[2,CURRENT-1]}" "$words[CURRENT]" 2>/dev/null)}"; do
		if [[ $line == :files ]]; then files=1; continue; fi
		found+=("${${line//:/\\:}/$'\t'/:}")
	done
	[[ -z $found ]] || _describe heapsift found
	[[ -z $files ]] || _files
}
if [[ $funcstack[1] == _heapsift ]]; then _heapsift "$@"; else compdef _heapsift heapsift; fi
