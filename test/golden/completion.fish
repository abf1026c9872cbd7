# fish completion for heapsift; made by: heapsift completion fish
function __heapsift_complete
	set -l words (commandline -opc)
	set -l current (commandline -ct)
	set -l before (string join \n -- $words[2..-1] | string collect)
	for line in ($words[1] complete -- "$before" "$current" 2>/dev/null)
		if test "$line" = :files
			__fish_complete_path "$current"
		else
			echo $line
		end
	end
end
complete -c heapsift -f -a '(__heapsift_complete)'
