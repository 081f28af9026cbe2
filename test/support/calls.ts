/**
 * A program that makes several calls of cellrun as if each were a separate process, for places that
 * only one process can see. Its argument is a JSON list of command lines, each a list of words. It
 * prints a JSON list of exit codes and outputs.
 */
import { callInProcess } from './in-process.js';

const commands: readonly (readonly string[])[] = JSON.parse(process.argv[2]);
const place = { cwd: process.cwd(), env: { ...process.env } };
const ended = await Promise.all(commands.map(command => callInProcess(command, place)));
process.stdout.write(JSON.stringify(ended));
