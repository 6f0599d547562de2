/*
 * The task of the latency measurement: its first act is to look at the clock.
 *
 *   probe FILE PUSHED_NS        adds two 64-bit numbers to FILE: PUSHED_NS and the moment of its start,
 *                               both in nanoseconds of CLOCK_MONOTONIC, which all processes share
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (argc != 3)
        return 2;
    int64_t pair[2] = {strtoll(argv[2], NULL, 10), now.tv_sec * INT64_C(1000000000) + now.tv_nsec};
    int file = open(argv[1], O_WRONLY | O_APPEND | O_CREAT, 0644);
    return file >= 0 && write(file, pair, sizeof pair) == sizeof pair ? 0 : 1;
}
