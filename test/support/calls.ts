/**
 * A program that makes several calls of ours, each as if in a process of its own: for places that
 * only one process sees. Its argument is a JSON list of command lines, each a list of words; it
 * prints a JSON list of how they ended.
 */
import { callInProcess } from './in-process.js';

const commands: readonly (readonly string[])[] = JSON.parse(process.argv[2]);
const place = { cwd: process.cwd(), env: { ...process.env } };
const ended = await Promise.all(commands.map(command => callInProcess(command, place)));
process.stdout.write(JSON.stringify(ended));
