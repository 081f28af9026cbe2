/**
 * How runs come to their end that are to be compared: each in a process of its own, or all in this
 * one.
 */
import type { Summary } from '../../src/run/summary.js';
import { finish, isDone } from '../../src/verify/resume.js';
import { callInProcess } from '../support/in-process.js';
import { PROGRAM } from './moments.js';

/** Runs `cellrun ARGS` to its end and gives its summary. Throws where it fails. */
export type Finish = (args: readonly string[]) => Promise<Summary>;

export const inOwnProcess: Finish = args => finish(PROGRAM, args);

/** Without the start of a process, which takes longer than such a run: for many short runs. */
export const inThisProcess: Finish = async args => {
  const { code, stdout, stderr } = await callInProcess([...args, '--json', '--quiet'], {
    cwd: process.cwd(),
    env: process.env,
  });
  if (!isDone({ code })) throw new Error(`exit ${code}: ${stderr}`);
  return JSON.parse(stdout) as Summary;
};
