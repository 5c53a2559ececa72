#!/bin/sh
# The installed package: files in their places, nothing exported but the ABI, no module linked to libvita.
. "$VITA_SRCDIR/tests/cli/common.sh"

exports() { # a line a symbol, without its version
	nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }'
}

for header in "$VITA_SRCDIR"/libvita/include/vita/*.h; do
	cmp -s "$header" "$includedir/vita/${header##*/}" || fail "vita/${header##*/} is not installed"
done

pkg-config --exists vita || fail "pkg-config does not find vita"
case " $(pkg-config --cflags vita) " in
*" -I$includedir "*) ;;
*) fail "pkg-config --cflags vita: $(pkg-config --cflags vita)" ;;
esac
# With a stage, pkg-config may put its root before a variable or not, as its version likes.
case $(pkg-config --variable=plugindir vita) in
"$VITA_MODULEDIR" | "$plugindir") ;;
*) fail "plugindir of vita.pc is $(pkg-config --variable=plugindir vita), not $VITA_MODULEDIR" ;;
esac

# What libvita.a needs besides is told to those who ask for it, and to nobody else.
case "$(pkg-config --libs --static vita)" in
*-lsndfile*-ljansson*) ;;
*) fail "pkg-config --libs --static vita: $(pkg-config --libs --static vita)" ;;
esac
case "$(pkg-config --libs vita)" in
*-lsndfile*) fail "pkg-config --libs vita: $(pkg-config --libs vita)" ;;
esac

library=$libdir/libvita.so
[ -L "$library" ] || fail "$library is not a link to a versioned library"
foreign=$(exports "$library" | grep -v '^vita_')
[ -z "$foreign" ] || fail "libvita.so exports what is not vita_*: $foreign"

# Every function that a header declares as exported is there, and nothing else.
cat "$includedir"/vita/*.h | grep -v '^#' | tr '\n\t' '  ' | grep -o 'VITA_EXPORT [^;{]*[;{]' |
	sed 's/(.*//; s/.*[ *]//' | grep -v '^vita_module_query$' | sort -u >"$scratch/declared"
exports "$library" | sort -u >"$scratch/exported"
difference=$(diff "$scratch/declared" "$scratch/exported") ||
	fail "headers (<) and libvita.so (>) do not agree:
$difference"

modules=0
for module in "$plugindir"/*; do
	[ -e "$module" ] || continue
	modules=$((modules + 1))
	[ "$(exports "$module")" = vita_module_query ] || fail "$module exports: $(exports "$module")"
	if readelf -d "$module" | grep NEEDED | grep -q libvita; then fail "$module is linked to libvita"; fi
done
[ "$modules" -gt 0 ] || fail "no module in $plugindir"
echo "$modules modules, $(wc -l <"$scratch/exported") functions exported"

finish
