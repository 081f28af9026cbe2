/** `report PATH`: writes a self-contained HTML file about a run, a sweep or a directory of them. */
import { dirname, join, resolve } from 'node:path';
import { RunDirectory } from '../../run/directory.js';
import { isAbsent, makeFolder, withFile, writeAtomic } from '../../run/files.js';
import { EXIT, usageError } from '../../util/errors.js';
import { atNamedPlace } from '../../util/system-errors.js';
import { printable } from '../../util/words.js';
import { defineVerb, json, text } from '../command/verb.js';
import { warnOfDeeper } from './serve.js';

export const verb = defineVerb({
  arguments: '<path>',
  options: {
    output: text('<file>', "output file; '-' is stdout (default: <path>/report.html)").with({ short: '-o' }),
    json: json("the report's data"),
  },
  async action([path], { output, json }, { io }) {
    const { buildReport, GENERATOR, renderPage } = await import('../../view/report.js');
    const document = buildReport(path);
    if (document.kind === 'index') warnOfDeeper(path, io);
    const page = json ? `${JSON.stringify(document)}\n` : renderPage(document);
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
    usageError('cli/output', message, { file: path, expected });
  if (isAbsent(path)) {
    if (RunDirectory.isOwnFile(path)) throw refuse('a file of the run has this name', 'another name');
    makeFolder(dirname(path), path, 'its folder');
    return;
  }
  // refuses devices and pipes, which would be replaced, not written to
  const head = withFile(path, file => file.read(0, HEAD_BYTES).toString('utf8'), {
    maxBytes: Number.POSITIVE_INFINITY,
  });
  if (head !== '' && !isReport(head))
    throw refuse('this file is not a report and is not overwritten', 'a report, or a new file');
}
