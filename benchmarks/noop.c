/*
 * The task of every drain: a static program that does nothing and succeeds.
 *
 *   noop [ANYTHING...]          ends at once
 *   noop --count FILE [...]     adds one byte to FILE first, so that its size is the number of runs
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 3 || strcmp(argv[1], "--count") != 0)
        return 0;
    int file = open(argv[2], O_WRONLY | O_APPEND | O_CREAT, 0644);
    return file >= 0 && write(file, "x", 1) == 1 ? 0 : 1;
}
