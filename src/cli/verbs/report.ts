/** `report RUN|SWEEP|DIR`: one HTML file that needs no network and nothing beside it. */
import { join } from 'node:path';
import { buildReport, GENERATOR, readPageAssets, renderPage } from '../../report/index.js';
import { EXIT, type ExitCode } from '../../util/errors.js';
import type { Io } from '../terminal/io.js';
import { writeOutput } from '../terminal/output-file.js';
import { warnOfDeeper } from './deeper-runs.js';

export interface ReportOptions {
  /** Where to write; `-` is stdout, `undefined` is `report.html` in the directory itself. */
  readonly output: string | undefined;
  /** The document instead of the page, on stdout unless `output` names a file. */
  readonly json: boolean;
}

/** Prints the file's path. Throws UserError where what is reported cannot be read, or the file not be written. */
export function report(path: string, { output, json }: ReportOptions, io: Io): ExitCode {
  const document = buildReport(path);
  if (document.kind === 'index') warnOfDeeper(path, io);
  const text = json ? `${JSON.stringify(document)}\n` : renderPage(document, readPageAssets());
  const target = output ?? (json ? '-' : join(path, 'report.html'));
  if (target === '-') io.out(text);
  else {
    writeOutput(target, text, { what: 'a report', isOurs: isReport });
    io.out(`${target}\n`);
  }
  return EXIT.done;
}

/** A page or a document of an earlier report. */
function isReport(head: string): boolean {
  return head.includes(GENERATOR) || /^\{"kind":"(run|sweep|index)","version":\d/.test(head);
}
