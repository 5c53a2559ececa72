#!/bin/sh
# Who may know whom: apps, plugins and backends include the public headers and their own; libvita names no plugin and
# no backend. (doc/architecture.md draws the picture.)
cd "$VITA_SRCDIR" || exit 99
failed=0

complain() { # what is wrong, the lines that show it
	[ -n "$2" ] || return
	printf '%s:\n%s\n' "$1" "$2"
	failed=1
}

sources() { find "$@" -name '*.[ch]' -o -name '*.cc'; }

# An include that climbs out of its folder may lead to plugins/common, and nowhere else.
complain "includes of another room's private headers" "$(
	sources apps plugins backends | xargs grep -n '#include *"\.\./' /dev/null | grep -v '"\(\.\./\)*common/'
	sources apps plugins backends libvita/include | xargs grep -n '#include.*\(libvita/\|src/\)' /dev/null)"

names=$(for folder in backends/*/ plugins/encoders/*/ plugins/llms/*/ plugins/heads/*/ plugins/codecs/*/; do
	basename "$folder"
done | sort -u)
# GGUF has words for architectures and for ways to cut text, and uses some that are names of modules too.
gguf_words='^libvita/src/(files/gguf_names|text/tokenizer_gguf)\.c:'
for name in $names; do
	complain "libvita names the module $name" "$(
		sources libvita/src | xargs grep -n "\"$name\"" /dev/null | grep -vE "$gguf_words")"
done

# One voice: what is not a program neither prints nor ends the process; only the loader's forked child ends itself.
complain "library or module that prints, exits or aborts" "$(
	sources libvita plugins backends | xargs grep -nE \
		'(^|[^a-z_>.])(printf|puts|putchar|perror|exit|_exit|abort|assert)[ ]*\(' /dev/null |
		grep -vE '^[^:]*:[0-9]+:[[:space:]]*(\*|/\*|//)' |
		grep -v '^libvita/src/host/scan_child\.c:.*_exit(')"

exit $failed
