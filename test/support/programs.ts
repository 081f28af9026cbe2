/** Runs other programs, and scripts on a small disk. */
import { spawn } from 'node:child_process';
import type { Finished } from './cli.js';

export interface Surroundings {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Runs a program to its end, asynchronously. Returns undefined if it is not installed. */
export function execute(
  file: string,
  args: readonly string[],
  surroundings: Surroundings,
): Promise<Finished | undefined> {
  return new Promise(resolve => {
    const child = spawn(file, args, { ...surroundings, stdio: 'pipe' });
    const text = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', chunk => {
        text[name] += chunk;
      });
    }
    child.on('error', () => resolve(undefined)).on('close', code => resolve({ code, ...text }));
  });
}

/**
 * Runs a bash `script` with a tmpfs of `size`, such as `64k`, mounted at `folder`, which is its
 * `$0`. Other processes do not see the mount. Returns undefined if this process may not mount it.
 */
export async function onSmallDisk(
  folder: string,
  size: string,
  script: string,
  surroundings: Surroundings,
): Promise<Finished | undefined> {
  const mount = `mount -t tmpfs -o size=${size} tmpfs "$0" && echo mounted >&2 && `;
  const done = await execute('unshare', ['-m', 'bash', '-c', mount + script, folder], surroundings);
  if (!done?.stderr.startsWith('mounted\n')) return undefined;
  return { ...done, stderr: done.stderr.slice('mounted\n'.length) };
}
