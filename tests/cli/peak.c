/* SPDX-License-Identifier: MIT
 *
 * peak FILE COMMAND…: runs the command and writes to FILE the largest resident set that it had, in kB.
 * Its exit status is the command's.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage usage;
	int status = 0;
	if (argc < 3) return 99;
	pid_t child = fork();
	if (child == 0) {
		(void)execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || getrusage(RUSAGE_CHILDREN, &usage) != 0) return 99;
	FILE *file = fopen(argv[1], "w");
	if (!file || fprintf(file, "%ld\n", usage.ru_maxrss) < 0 || fclose(file) != 0) return 99;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}
