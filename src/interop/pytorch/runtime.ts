/** Runs an exported folder with Python and PyTorch, if they are installed. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { damagedError } from '../../util/errors.js';
import { packageRoot } from '../../util/root.js';
import type { Files } from '../predictor.js';
import type { Runtime } from '../verify.js';

/** The folder of the scripts, which the package contains as they are. */
export const SCRIPTS = join(packageRoot, 'src', 'interop', 'pytorch');

const HOW = 'install Python 3.9 or later with PyTorch';

export async function startPython(files: Files): Promise<Runtime | string> {
  const folder = mkdtempSync(join(tmpdir(), 'cellrun-'));
  for (const [name, content] of files) writeFileSync(join(folder, name), Buffer.concat(content));
  const python = spawn('python3', [join(SCRIPTS, 'verify.py'), folder]);
  let problem = '';
  python.on('error', error => {
    problem = error.message;
  });
  python.stderr.setEncoding('utf8').on('data', (text: string) => {
    problem += text;
  });
  const closed = new Promise(resolve => python.once('close', resolve));
  // it has ended if a line cannot be written
  python.stdin.on('error', () => {});
  const lines = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    return done ? undefined : (JSON.parse(value) as string);
  };
  const close = () => {
    python.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  const version = await answer();
  if (version === undefined) {
    close();
    return `python3 cannot import torch (${HOW})`;
  }
  return {
    name: `PyTorch ${version}`,
    async outputs(inputs, continues) {
      const given = Object.entries(inputs).map(([name, { type, shape, data }]) => {
        const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
        return [name, [type, shape, bytes.toString('base64')]];
      });
      python.stdin.write(`${JSON.stringify({ inputs: Object.fromEntries(given), continues })}\n`);
      const text = await answer();
      if (text === undefined) {
        await closed;
        const got = problem.trimEnd().split('\n').at(-1);
        throw damagedError('export/failed', 'the exported model cannot be run', { got });
      }
      // aligned, unlike the buffer itself
      return new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer);
    },
    close,
  };
}
