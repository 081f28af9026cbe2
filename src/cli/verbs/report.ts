/** `report PATH`: writes a self-contained HTML file about a run, a sweep or a directory of them. */
import { dirname, join, resolve } from 'node:path';
import { RunDirectory } from '../../run/directory.js';
import { isAbsent, makeFolder, withFile, writeAtomic } from '../../run/files.js';
import { EXIT, UserError, usageError } from '../../util/errors.js';
import { formatBytes } from '../../util/numbers.js';
import { atNamedPlace } from '../../util/system-errors.js';
import { printable } from '../../util/words.js';
import type { AudioOf, LiveModel, RunReport, Sample } from '../../view/run-report.js';
import { audioOf } from '../command/recorded-audio.js';
import { defineVerb, flag, json, text } from '../command/verb.js';
import { warnOfDeeper } from './serve.js';

export const verb = defineVerb({
  arguments: '<path>',
  options: {
    output: text('<file>', "output file; '-' is stdout (default: <path>/report.html)").with({ short: '-o' }),
    noModel: flag('leave out the model, with which readers of the page can predict'),
    json: json("the report's data"),
  },
  async action([path], { output, noModel, json }, { io }) {
    const { buildReport, GENERATOR, renderPage } = await import('../../view/report.js');
    const built = buildReport(path, embeddedAudio);
    const isAlive = built.kind === 'run' && !noModel && !json;
    const { code, model }: Embedded = isAlive ? await embedded(path) : { model: null };
    const document = built.kind === 'run' ? { ...built, sample: await sampleOf(path, built), model } : built;
    if (document.kind === 'index') warnOfDeeper(path, text => io.err(`warning: ${printable(text)}\n`));
    const page = json ? `${JSON.stringify(document)}\n` : renderPage(document, code);
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

/** Maximum size of a recording in a report: 8 seconds at 8 kHz. */
const MAX_EMBEDDED = 2 ** 17;

const embeddedAudio: AudioOf = (run, recorded) => {
  const audio = audioOf(run, recorded);
  if (audio === undefined || audio.length > MAX_EMBEDDED) return null;
  return `data:audio/wav;base64,${audio.toString('base64')}`;
};

/** Symbols of a sample: about a paragraph. */
const LENGTHS: Readonly<Record<string, number>> = { word: 100, character: 500, byte: 500 };
const TEMPERATURE = 0.8;

/**
 * Text that a language model generates, since its metrics say little; null for other runs, and if
 * the checkpoint cannot be read: the report shows what can.
 */
async function sampleOf(path: string, { config, checkpoints }: RunReport): Promise<Sample | null> {
  const setting = (key: string) => config.find(entry => entry.key === key)?.value ?? '';
  if (setting('dataset.kind') !== 'text' || checkpoints.length === 0) return null;
  const { loadModel } = await import('../../predict/model.js');
  const options = { length: LENGTHS[setting('dataset.level')], temperature: TEMPERATURE, seed: 0 };
  try {
    // the same text on every machine
    const model = await loadModel(path, { backend: 'webasm', threads: 1 });
    const pieces: string[] = [];
    for await (const piece of model.generateText('', options)) pieces.push(piece);
    await model.close();
    return { ...options, text: pieces.join('') };
  } catch (error) {
    if (error instanceof UserError) return null;
    throw error;
  }
}

/** Maximum bytes of the weights in a report: as text, they are a third more. */
const MAX_WEIGHTS = 4e6;

interface Embedded {
  readonly code?: string;
  readonly model: LiveModel | null;
}

/** The model of a run as the code of its module; or why the report is without it. */
async function embedded(path: string): Promise<Embedded> {
  const { openModel } = await import('../../predict/open.js');
  const { moduleCode } = await import('../../interop/js/export.js');
  const { weightsAlone } = await import('../../train/weights.js');
  const without = (why: string) => ({ model: { left_out: `This report is without the model: ${why}.` } });
  try {
    const saved = openModel(path);
    const weights = [...weightsAlone(saved.tensors, saved.weights).values()];
    const size = weights.reduce((sum, { data }) => sum + data.byteLength, 0);
    return size > MAX_WEIGHTS
      ? without(`its weights have ${formatBytes(size)}, more than ${formatBytes(MAX_WEIGHTS)}`)
      : { code: await moduleCode(saved), model: { left_out: null } };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return without(error.diagnostics.map(({ message }) => message).join('; '));
  }
}

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
