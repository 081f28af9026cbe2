/** Sweep files for tests, and the errors of wrong ones. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatDiagnostics } from '../../src/cli/terminal/diagnostics.js';
import { type LoadedSweep, loadSweep } from '../../src/sweep/config/load.js';
import type { UserError } from '../../src/util/errors.js';

/** The diagnostics as `code line:column`, followed by the file if it is not `file`. */
function told(error: UserError, file = '', folder = ''): string[] {
  return error.diagnostics.map(d => {
    const other = d.file === file || d.file === undefined ? '' : ` ${d.file.replace(`${folder}/`, '')}`;
    return `${d.code} ${d.line}:${d.column}${other}`;
  });
}

export function printed(error: UserError): string {
  return formatDiagnostics(error.diagnostics, { color: false });
}

export const BASE = `version: 1
name: base
dataset: { kind: synthetic, problem: copy_memory, delay: 5, train_size: 40, test_size: 10 }
model: { cell: lstm, hidden_size: 8, head: { from: every } }
loss: { kind: cross_entropy }
optimizer: { kind: adam, learning_rate: 0.01 }
training: { num_epochs: 4, batch_size: 10 }
`;
/** A sweep over the base config, with `lines` after the first four. */
export function sweepText(
  lines: string,
  objective = 'objective: { metric: test.accuracy, goal: maximize }',
): string {
  return `version: 1\nname: tried\nbase: base.yaml\n${objective}\n${lines}`;
}

export const GRID = 'method: grid\nparameters: { model.hidden_size: [4, 8] }\n';

/** Writes the base config to a folder. Returns functions to write and load sweep files there. */
export function sweepFolder(folder: string) {
  const write = (name: string, content: string): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  write('base.yaml', BASE);
  return {
    write,
    load: (lines: string): LoadedSweep => loadSweep(write('sweep.yaml', sweepText(lines))),
    told: (error: UserError, file?: string): string[] => told(error, file, folder),
  };
}
