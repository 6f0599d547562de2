#!/usr/bin/env node
// A persistent script for goophry: answers each JSON line on stdin with a JSON line on stdout.
'use strict';

const readline = require('node:readline');

// Does one task and returns its output, or undefined; an exception fails it. Change this.
async function work(args, task) {
  if (args.length === 0) throw new Error('no argument was given');
  return `worked on ${args.join(' ')}`;
}

async function main() {
  // Goes to stderr from here on: stdout is for answers only.
  console.log = console.info = console.error;
  for await (const line of readline.createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const task = JSON.parse(line);
    let answer = { Id: task.Id, ok: true };
    try {
      answer.output = await work(task.Args, task);
    } catch (error) {
      console.error(error);
      answer = { Id: task.Id, ok: false, error: String(error) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

main();
