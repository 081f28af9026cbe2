/**
 * Exports a run for TensorBoard: scalars in the folders `train`, `validation` and `test`, so that
 * curves of the same name share a chart, and the config as text and hyperparameters. Exports of the
 * same run are byte-identical.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { SplitName } from '../../config/experiment.js';
import { flatValues } from '../../config/schema/walk.js';
import { AtomicFile, isAbsent } from '../../run/files.js';
import { makeFolder } from '../../run/folders.js';
import { nonFinite } from '../../run/json.js';
import { type LogRecord, metricsIn, readLog } from '../../run/log.js';
import type { RunRecord, RunState } from '../../run/run.js';
import { usageError } from '../../util/errors.js';
import {
  fileVersion,
  frame,
  type Hyperparameter,
  type SESSION_STATUS,
  scalar,
  sessionEnd,
  sessionStart,
  summaryEvent,
  text,
} from './event-file.js';

/**
 * Folders of a run's export; the empty name is the export's own folder, for everything except
 * curves.
 */
type Part = '' | SplitName;
/** Folders of every run's export. */
const PARTS = ['', 'train', 'test'] as const satisfies readonly Part[];

/** TensorBoard recognizes files by `tfevents` in their names; our names end like this. */
const FILE = /^events\.out\.tfevents\.\d+\.cellrun$/;

const STEP_TAGS = ['loss', 'learning_rate', 'grad_norm', 'samples_per_s'];

/** Sections of a config that affect results; the others name, monitor or judge a run. */
const HYPERPARAMETERS = /^(seed|dataset|model|loss|optimizer|training)(\.|$)/;

const STATUS: Readonly<Record<RunState, keyof typeof SESSION_STATUS>> = {
  completed: 'success',
  failed: 'failure',
  diverged: 'failure',
  running: 'running',
  interrupted: 'unknown',
  killed: 'unknown',
};

/**
 * Writes the event files of `run` below the folder `target`, replacing those of an earlier export.
 * Returns their paths. Also throws errors of reading the log.
 */
export function exportRun(run: RunRecord, target: string): string[] {
  const started = secondsOf(run.manifest?.started) ?? 0;
  const name = `events.out.tfevents.${String(Math.floor(started)).padStart(10, '0')}.cellrun`;
  for (const part of PARTS) prepare(join(target, part), name);
  const files = new Map<Part, AtomicFile>();
  const add = (part: Part, event: Uint8Array): void => {
    let file = files.get(part);
    if (file === undefined) {
      const folder = join(target, part);
      prepare(folder, name);
      // TensorBoard ignores the name that the file has during writing
      file = AtomicFile.create(join(folder, name), 'events');
      files.set(part, file);
      file.write(frame(fileVersion(started)));
    }
    file.write(frame(event));
  };
  try {
    const { id, config } = run;
    const values = flatValues(config);
    const hyperparameters = values.filter(([key]) => HYPERPARAMETERS.test(key));
    // Markdown: lines indented by four spaces are shown as code
    const lines = values.map(([key, value]) => `    ${key}: ${JSON.stringify(value)}`);
    const start = sessionStart(
      hyperparameters.map(([key, value]) => [key, hyperparameter(value)]),
      id,
      started,
    );
    add('', summaryEvent(started, 0, [text('config/text_summary', lines.join('\n')), start]));
    const ended = writeCurves(run.directory.files.log, started, add);
    add('', summaryEvent(ended, 0, [sessionEnd(STATUS[run.state], ended)]));
    for (const file of files.values()) file.commit();
  } catch (error) {
    for (const file of files.values()) file.discard();
    throw error;
  }
  return [...files.keys()].map(part => join(target, part, name));
}

/**
 * Creates the folder; refuses event files there that TensorBoard would merge with the file `name`.
 */
function prepare(folder: string, name: string): void {
  makeFolder(folder, folder, 'this folder');
  const foreign = readdirSync(folder).find(one => one.includes('tfevents') && one !== name);
  if (foreign === undefined) return;
  const whose = FILE.test(foreign) ? "another run's" : "another program's";
  throw usageError({
    code: 'export/foreign',
    message: `${whose} event file is here (${foreign}); TensorBoard would merge both into one run`,
    file: folder,
    expected: 'a directory without event files; see --output',
  });
}

/** Writes the scalars. Returns the time of the last event, in seconds since 1970. */
function writeCurves(log: string, started: number, add: (part: Part, event: Uint8Array) => void): number {
  let time = started;
  if (isAbsent(log)) return time;
  const visit = (record: LogRecord): void => {
    time = secondsOf(record.time) ?? time;
    const { event, step } = record;
    // TensorBoard's steps are integers
    if (typeof step !== 'number' || !Number.isSafeInteger(step)) return;
    const isEvaluation = event === 'eval';
    if (!isEvaluation && event !== 'train.step' && event !== 'train.epoch') return;
    const values = (event === 'train.step' ? STEP_TAGS : metricsIn(record)).flatMap(name => {
      const value = record[name] ?? nonFinite(record[`${name}_nonfinite`]);
      const tag = event === 'train.epoch' && name === 'loss' ? 'epoch_loss' : name;
      return typeof value === 'number' ? [scalar(tag, value)] : [];
    });
    // records of other splits go to `test`
    const evaluated = (['train', 'validation'] as const).find(split => split === record.split) ?? 'test';
    add(isEvaluation ? evaluated : 'train', summaryEvent(time, step, values));
  };
  // `review` reports invalid lines of the log
  readLog(log, visit, () => {});
  return time;
}

/** TensorBoard has no lists. */
function hyperparameter(value: unknown): Hyperparameter {
  const isKnown = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  return isKnown ? value : JSON.stringify(value);
}

function secondsOf(time: unknown): number | undefined {
  const milliseconds = typeof time === 'string' ? Date.parse(time) : Number.NaN;
  return Number.isNaN(milliseconds) ? undefined : milliseconds / 1000;
}
