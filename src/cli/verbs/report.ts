/** `report PATH`: writes a self-contained HTML file about a run, a sweep or a directory of them. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { RunDirectory } from '../../run/directory.js';
import { writeAtomic } from '../../run/files.js';
import { makeFolder } from '../../run/folders.js';
import { EXIT, usageError } from '../../util/errors.js';
import { atNamedPlace, withFileErrors } from '../../util/system-errors.js';
import { printable } from '../../util/words.js';
import { json } from '../command/options.js';
import { defineVerb, text } from '../command/verb.js';
import { warnOfDeeper } from './serve.js';

export const verb = defineVerb({
  arguments: '<path>',
  options: {
    output: text('<file>', "output file; '-' is stdout (default: <path>/report.html)").short('-o'),
    json: json("the report's data"),
  },
  async action([path], { output, json }, { io }) {
    const { buildReport, GENERATOR, readPageAssets, renderPage } = await import('../../view/html.js');
    const document = buildReport(path);
    if (document.kind === 'index') warnOfDeeper(path, io);
    const page = json ? `${JSON.stringify(document)}\n` : renderPage(document, readPageAssets());
    const target = output ?? (json ? '-' : join(path, 'report.html'));
    if (target === '-') io.data(page);
    else {
      const isReport = (head: string) =>
        head.includes(GENERATOR) || /^\{"kind":"(run|sweep|index)","version":\d/.test(head);
      atNamedPlace(() => {
        prepare(target, isReport);
        writeAtomic(resolve(target), [page]);
      });
      io.out(`${printable(target)}\n`);
    }
    return EXIT.done;
  },
});

/** Number of bytes to read from a file's start to recognize a report. */
const HEAD_BYTES = 4096;

/** Creates the parent directory of `path`, or checks that an existing file may be replaced. */
function prepare(path: string, isReport: (head: string) => boolean): void {
  const refuse = (message: string, expected: string) =>
    usageError({ code: 'cli/output', message, file: path, expected });
  const found = withFileErrors(path, () => statSync(path, { throwIfNoEntry: false }));
  if (found === undefined) {
    if (RunDirectory.isOwnFile(path)) throw refuse('a file of the run has this name', 'another name');
    makeFolder(dirname(path), path, 'its folder');
    return;
  }
  if (found.isDirectory()) throw refuse('this is a directory', 'a file name for the report');
  // a device or pipe would be replaced, not written to
  if (!found.isFile()) throw refuse('this is not a regular file', 'a file name for the report');
  if (found.size > 0 && !isReport(headOf(path)))
    throw refuse('this file is not a report and is not overwritten', 'a report, or a new file');
}

function headOf(path: string): string {
  return withFileErrors(path, () => {
    const file = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(HEAD_BYTES);
      return bytes.toString('utf8', 0, readSync(file, bytes, 0, HEAD_BYTES, 0));
    } finally {
      closeSync(file);
    }
  });
}
