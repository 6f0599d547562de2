#!/usr/bin/env php
<?php
// A persistent script for goophry: answers each JSON line on stdin with a JSON line on stdout.
// stdout is for answers only: warnings and whatever is printed go to stderr.
ini_set('display_errors', 'stderr');

// Does one task and returns its output, or null; an exception fails it. Change this.
function work(array $args, array $task): ?string
{
    if (!$args) {
        throw new InvalidArgumentException('no argument was given');
    }
    return 'worked on ' . implode(' ', $args);
}

while (($line = fgets(STDIN)) !== false) {
    $task = json_decode($line, true);
    $answer = ['Id' => $task['Id'], 'ok' => true];
    ob_start();
    try {
        $answer['output'] = work($task['Args'], $task);
    } catch (Throwable $error) {
        fwrite(STDERR, "$error\n");
        $answer = ['Id' => $task['Id'], 'ok' => false, 'error' => get_class($error) . ': ' . $error->getMessage()];
    }
    fwrite(STDERR, ob_get_clean());
    fwrite(STDOUT, json_encode($answer, JSON_INVALID_UTF8_SUBSTITUTE) . "\n");
}
