#!/bin/sh
# embed.sh FILE...: a C file with the text of each kernel file, for the table of opencl.h. Bytes, for the C standard
# promises no string literals of this length.
set -eu
echo '/* Made by embed.sh. */'
echo '#include "opencl.h"'
n=0
for file; do
	echo "static const unsigned char text_$n[] = {"
	od -An -v -tu1 "$file" | sed 's/  */,/g; s/^,//; s/$/,/'
	echo '};'
	n=$((n + 1))
done
echo 'const struct kernel_file kernel_files[] = {'
n=0
for file; do
	echo "	{ \"${file##*/}\", text_$n, sizeof text_$n },"
	n=$((n + 1))
done
echo '	{ NULL, NULL, 0 },'
echo '};'
