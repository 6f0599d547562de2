/*
 * The yardstick of `drain`: how many programs a second this kernel starts and ends, from SLOTS slots, with nothing
 * around it: no Redis, no interpreter, no log.
 *
 *   limit loop|threads SLOTS SECONDS PROGRAM [ARG...]
 *
 * loop: one thread that keeps SLOTS programs running. threads: SLOTS threads, each starts a program and waits for it;
 * with several slots up to a fifth faster than the loop, since spawns go on at the same time.
 * Prints one JSON object. A program that fails ends the measurement with exit status 1.
 */
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static char **program;
static double deadline;
static atomic_long finished;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static pid_t start(void)
{
    pid_t pid;
    int error = posix_spawn(&pid, program[0], NULL, NULL, program, environ);
    if (error) {
        fprintf(stderr, "limit: %s: %s\n", program[0], strerror(error));
        exit(1);
    }
    return pid;
}

static void finish(pid_t pid)
{
    int status;
    if (waitpid(pid, &status, 0) < 0 || status != 0) {
        fprintf(stderr, "limit: %s failed\n", program[0]);
        exit(1);
    }
    finished++;
}

static void *slot(void *unused)
{
    while (now() < deadline)
        finish(start());
    return unused;
}

static void loop(int slots)
{
    int running = 0;
    while (now() < deadline) {
        for (; running < slots; running++)
            start();
        finish(-1);
        running--;
    }
    for (; running > 0; running--)
        finish(-1);
}

static void threads(int slots)
{
    pthread_t all[slots];
    for (int i = 0; i < slots; i++)
        if (pthread_create(&all[i], NULL, slot, NULL)) {
            fprintf(stderr, "limit: cannot start %d threads\n", slots);
            exit(1);
        }
    for (int i = 0; i < slots; i++)
        pthread_join(all[i], NULL);
}

static double cpu(int who)
{
    struct rusage used;
    getrusage(who, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    int slots = argc > 2 ? atoi(argv[2]) : 0;
    double seconds = argc > 3 ? atof(argv[3]) : 0;
    if (argc < 5 || slots < 1 || slots > 1024 || seconds <= 0 || seconds > 600) {
        fprintf(stderr, "usage: limit loop|threads SLOTS SECONDS PROGRAM [ARG...]\n");
        return 2;
    }
    program = argv + 4;
    double begun = now();
    deadline = begun + seconds;
    if (strcmp(argv[1], "loop") == 0)
        loop(slots);
    else
        threads(slots);
    double took = now() - begun;
    printf("{\"tasks\":%ld,\"seconds\":%.6f,\"rate\":%.1f,\"own_cpu_s\":%.6f,\"children_cpu_s\":%.6f}\n",
           (long)finished, took, finished / took, cpu(RUSAGE_SELF), cpu(RUSAGE_CHILDREN));
    return 0;
}
