# Tests of the installed layout and of the command.

# dist_check_SCRIPTS += %D%/name.sh
