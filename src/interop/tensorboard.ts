/**
 * Exports a run for TensorBoard: scalars in the folders `train`, `validation` and `test`, so that
 * curves of the same name share a chart, and the config as text and hyperparameters. Exports of the
 * same run are byte-identical.
 *
 * Event files are records (length, masked CRC, data, masked CRC, as in TFRecord) of protocol
 * buffers, encoded by field number after tensorboard/compat/proto/event.proto, summary.proto,
 * tensor.proto and tensorboard/plugins/hparams/plugin_data.proto. All times are in seconds since
 * 1970.
 */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { SplitName } from '../config/schema/experiment.js';
import { flatValues } from '../config/schema/schema.js';
import { crc32c } from '../host/checksums.js';
import { isAbsent, makeFolder, writeAtomic } from '../run/files.js';
import { pointsOf } from '../run/history.js';
import { type LogRecord, readLog } from '../run/log.js';
import type { RunRecord, RunState } from '../run/run.js';
import { usageError } from '../util/errors.js';
import { double, float, integer, message, string } from './protobuf.js';

/**
 * Folders of a run's export; the empty name is the export's own folder, for everything except
 * curves.
 */
type Part = '' | SplitName;
/** Folders of every run's export. */
const PARTS = ['', 'train', 'test'] as const satisfies readonly Part[];

/** TensorBoard recognizes files by `tfevents` in their names; our names end like this. */
const FILE = /^events\.out\.tfevents\.\d+\.cellrun$/;

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
  const { log } = run.directory.files;
  const started = secondsOf(run.manifest?.started) ?? 0;
  const name = `events.out.tfevents.${String(Math.floor(started)).padStart(10, '0')}.cellrun`;
  for (const part of PARTS) prepare(join(target, part), name);
  const parts = new Set<Part>();
  const ended = readCurves(log, started, part => void parts.add(part));
  return (['', ...parts] as const).map(part => {
    const path = join(target, part, name);
    prepare(join(target, part), name);
    const write = (add: (event: Uint8Array) => void): void => {
      add(fileVersion(started));
      if (part !== '') readCurves(log, started, (of, event) => of === part && add(event));
      else for (const event of descriptionOf(run, started, ended)) add(event);
    };
    // TensorBoard ignores the name that the file has during writing
    writeAtomic(path, chunk => write(event => chunk(frame(event))), 'events');
    return path;
  });
}

/** The config as text and hyperparameters, and how the run ended. */
function descriptionOf({ id, config, state }: RunRecord, started: number, ended: number): Uint8Array[] {
  const values = flatValues(config);
  const hyperparameters = values.filter(([key]) => HYPERPARAMETERS.test(key));
  // Markdown: lines indented by four spaces are shown as code
  const lines = values.map(([key, value]) => `    ${key}: ${JSON.stringify(value)}`);
  const start = sessionStart(
    hyperparameters.map(([key, value]) => [key, hyperparameter(value)]),
    id,
    started,
  );
  return [
    summaryEvent(started, 0, [text('config/text_summary', lines.join('\n')), start]),
    summaryEvent(ended, 0, [sessionEnd(STATUS[state], ended)]),
  ];
}

/**
 * Creates the folder; refuses event files there that TensorBoard would merge with the file `name`.
 */
function prepare(folder: string, name: string): void {
  makeFolder(folder, folder, 'this folder');
  const foreign = readdirSync(folder).find(one => one.includes('tfevents') && one !== name);
  if (foreign === undefined) return;
  const whose = FILE.test(foreign) ? "another run's" : "another program's";
  throw usageError(
    'export/foreign',
    `${whose} event file is here (${foreign}); TensorBoard would merge both into one run`,
    { file: folder, expected: 'a directory without event files; see --output' },
  );
}

/** Reads the scalars. Returns the time of the last event, in seconds since 1970. */
function readCurves(log: string, started: number, add: (part: Part, event: Uint8Array) => unknown): number {
  let time = started;
  if (isAbsent(log)) return time;
  const visit = (record: LogRecord): void => {
    time = secondsOf(record.time) ?? time;
    const points = pointsOf(record);
    // TensorBoard's steps are integers
    if (points.length === 0 || !Number.isSafeInteger(record.step)) return;
    const scalars = points.map(({ curve, value }) => scalar(tagOf(curve), value));
    add(partOf(points[0].curve), summaryEvent(time, points[0].step, scalars));
  };
  // `review` reports invalid lines of the log
  readLog(log, visit, () => {});
  return time;
}

function tagOf(curve: string): string {
  return curve === 'epoch.loss' ? 'epoch_loss' : (curve.split('.')[1] ?? curve);
}

function partOf(curve: string): Part {
  return (['validation', 'test'] as const).find(split => curve.startsWith(`${split}.`)) ?? 'train';
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

/** The value of a hyperparameter. */
type Hyperparameter = string | number | boolean;

/** From hparams/api.proto. */
const SESSION_STATUS = { unknown: 0, success: 1, failure: 2, running: 3 } as const;

/** The first event of each file, which marks it as an event file. */
function fileVersion(wallTime: number): Uint8Array {
  return Buffer.concat([double(1, wallTime), string(3, 'brain.Event:2')]);
}

/** An event with the values of one step. */
function summaryEvent(wallTime: number, step: number, values: readonly Uint8Array[]): Uint8Array {
  const summary = message(5, ...values.map(value => message(1, value)));
  return Buffer.concat([double(1, wallTime), integer(2, step), summary]);
}

/** One number; TensorBoard's scalars plugin needs no metadata for it. */
function scalar(tag: string, value: number): Uint8Array {
  return Buffer.concat([string(1, tag), float(2, value)]);
}

const DT_FLOAT = 1;
const DT_STRING = 7;

/** Markdown text for the text plugin. */
function text(tag: string, markdown: string): Uint8Array {
  const tensor = [integer(1, DT_STRING), message(2, message(2, integer(1, 1))), string(8, markdown)];
  return pluginValue(tag, tensor, 'text', []);
}

/** @param group of sessions that differ only in the seed */
function sessionStart(
  hyperparameters: readonly (readonly [name: string, value: Hyperparameter])[],
  group: string,
  started: number,
): Uint8Array {
  const entries = hyperparameters.map(([name, value]) =>
    message(1, string(1, name), message(2, protobufValue(value))),
  );
  const info = message(3, ...entries, string(4, group), double(5, started));
  return pluginValue('_hparams_/session_start_info', NO_TENSOR, 'hparams', [info]);
}

function sessionEnd(status: keyof typeof SESSION_STATUS, ended: number): Uint8Array {
  const info = message(4, integer(1, SESSION_STATUS[status]), double(2, ended));
  return pluginValue('_hparams_/session_end_info', NO_TENSOR, 'hparams', [info]);
}

const NO_TENSOR = [integer(1, DT_FLOAT), message(2, message(2, integer(1, 0)))];

type Fields = readonly Uint8Array[];

/** A Summary.Value with the name of its plugin. */
function pluginValue(tag: string, tensor: Fields, plugin: string, content: Fields): Uint8Array {
  const metadata = message(9, message(1, string(1, plugin), message(2, ...content)));
  return Buffer.concat([string(1, tag), message(8, ...tensor), metadata]);
}

/** A google.protobuf.Value. */
function protobufValue(value: Hyperparameter): Uint8Array {
  if (typeof value === 'number') return double(2, value);
  return typeof value === 'string' ? string(3, value) : integer(4, Number(value));
}

const LENGTH_BYTES = 8;
const CRC_BYTES = 4;

/** An event as a record of a file. */
function frame(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(LENGTH_BYTES + CRC_BYTES + data.length + CRC_BYTES);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(LENGTH_BYTES, masked(crc32c(record.subarray(0, LENGTH_BYTES))), true);
  record.set(data, LENGTH_BYTES + CRC_BYTES);
  view.setUint32(record.length - CRC_BYTES, masked(crc32c(data)), true);
  return record;
}

/**
 * CRCs of data that contain CRCs are weak, so TensorFlow rotates them and adds a constant
 * (tsl/lib/hash/crc32c.h).
 */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
