/** `report RUN|SWEEP|DIR`: one HTML file that needs no network and nothing beside it. */
import { statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { EXIT, type ExitCode, usageError } from '../errors.js';
import { writeAtomic } from '../experiment/atomic.js';
import { buildReport, readPageAssets, renderPage } from '../report/index.js';
import type { Io } from './io.js';

export interface ReportOptions {
  /** Where to write; `-` is stdout, `undefined` is `report.html` in the directory itself. */
  readonly output: string | undefined;
  /** The document instead of the page, on stdout unless `output` names a file. */
  readonly json: boolean;
}

/** Prints the file's path. Throws UserError where what is reported cannot be read, or the file not be written. */
export function report(path: string, { output, json }: ReportOptions, io: Io): ExitCode {
  const document = buildReport(path);
  const text = json ? `${JSON.stringify(document)}\n` : renderPage(document, readPageAssets());
  const target = output ?? (json ? '-' : join(path, 'report.html'));
  if (target === '-') io.out(text);
  else {
    checkFolder(dirname(resolve(target)), target);
    writeAtomic(resolve(target), [text]);
    io.out(`${target}\n`);
  }
  return EXIT.done;
}

function checkFolder(folder: string, target: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  throw usageError({ code: 'cli/output', message: 'there is no folder for this file', file: target });
}
