#!/bin/sh
# Runs libFuzzer targets one after the other: run.sh SECONDS TARGET…
# What they find is left beside them: crash-*, timeout-*, oom-*. Their corpora grow in corpus/.
set -u
seconds=$1
shift
failed=
for target; do
	name=${target##*/}
	mkdir -p "corpus/$name" findings
	"./$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
		-artifact_prefix="findings/$name-" "corpus/$name" "seeds/$name" 2>"findings/$name.log"
	status=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "findings/$name.log")
	if [ $status = 0 ]; then
		echo "$name: clean after $seconds s, ${runs:-?} runs"
	else
		echo "$name: exit $status"
		tail -n 40 "findings/$name.log"
		failed="$failed $name"
	fi
done
[ -z "$failed" ] || echo "failed:$failed"
[ -z "$failed" ]
