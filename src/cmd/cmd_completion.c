/* SPDX-License-Identifier: Apache-2.0 */
/* The scripts are stubs: what may follow is asked of heapsift itself (complete.c), so a
 * shell never knows other commands and options than the binary does. */
#include "cmd/cmd.h"

enum shell { SHELL_BASH, SHELL_ZSH, SHELL_FISH };

static const char *const shells[] = { "bash", "zsh", "fish", NULL };

struct completion_args {
	int shell;
};

static const struct opt completion_args[] = {
	ARG_ENUM("SHELL", struct completion_args, shell, shells, "bash, zsh or fish"),
};

static const char *const scripts[] = {
	[SHELL_BASH] =
		"# bash completion for heapsift; made by: heapsift completion bash\n"
		"_heapsift() {\n"
		"\tlocal IFS=$'\\n' current=${COMP_WORDS[COMP_CWORD]} line\n"
		"\tCOMPREPLY=()\n"
		"\twhile read -r line; do\n"
		"\t\tif [[ $line == :files ]]; then\n"
		"\t\t\tcompopt -o filenames 2>/dev/null\n"
		"\t\t\tCOMPREPLY+=($(compgen -f -- \"$current\"))\n"
		"\t\telse\n"
		"\t\t\tCOMPREPLY+=(\"${line%%$'\\t'*}\")\n"
		"\t\tfi\n"
		"\tdone < <(\"$1\" complete -- \"${COMP_WORDS[*]:1:COMP_CWORD-1}\" "
		"\"$current\" 2>/dev/null)\n"
		"}\n"
		"complete -F _heapsift heapsift\n",
	[SHELL_ZSH] =
		"#compdef heapsift\n"
		"# zsh completion for heapsift; made by: heapsift completion zsh\n"
		"_heapsift() {\n"
		"\tlocal line files\n"
		"\tlocal -a found\n"
		"\tfor line in \"${(@f)$($words[1] complete -- "
		"\"${(F)words[2,CURRENT-1]}\" \"$words[CURRENT]\" 2>/dev/null)}\"; do\n"
		"\t\tif [[ $line == :files ]]; then files=1; continue; fi\n"
		"\t\tfound+=(\"${${line//:/\\\\:}/$'\\t'/:}\")\n"
		"\tdone\n"
		"\t[[ -z $found ]] || _describe heapsift found\n"
		"\t[[ -z $files ]] || _files\n"
		"}\n"
		"if [[ $funcstack[1] == _heapsift ]]; then _heapsift \"$@\"; "
		"else compdef _heapsift heapsift; fi\n",
	[SHELL_FISH] =
		"# fish completion for heapsift; made by: heapsift completion fish\n"
		"function __heapsift_complete\n"
		"\tset -l words (commandline -opc)\n"
		"\tset -l current (commandline -ct)\n"
		"\tset -l before (string join \\n -- $words[2..-1] | string collect)\n"
		"\tfor line in ($words[1] complete -- \"$before\" \"$current\" "
		"2>/dev/null)\n"
		"\t\tif test \"$line\" = :files\n"
		"\t\t\t__fish_complete_path \"$current\"\n"
		"\t\telse\n"
		"\t\t\techo $line\n"
		"\t\tend\n"
		"\tend\n"
		"end\n"
		"complete -c heapsift -f -a '(__heapsift_complete)'\n",
};

static bool completion_run(struct context *cx, const void *args, struct sink *out,
			   struct err *e)
{
	const struct completion_args *a = args;

	(void)cx, (void)e;
	sink_str(out, scripts[a->shell]);
	return true;
}

const struct command cmd_completion = {
	.name = "completion",
	.group = GROUP_HELP,
	.brief = "a script that makes a shell complete heapsift's command lines",
	.text = "Completes commands, options and their values, column names, files, and "
		"the "
		"PIDs of processes that can be read.",
	.example =
		"completion bash > ~/.local/share/bash-completion/completions/heapsift",
	.example_text = "for good; or, for this shell: . <(heapsift completion bash)",
	.args = completion_args,
	.nargs = countof(completion_args),
	.args_size = sizeof(struct completion_args),
	.run = completion_run,
};
