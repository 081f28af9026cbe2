/**
 * `export --format tensorboard`: readers that are not ours find in the files what is in those of
 * the run.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import { crc32c } from '../../src/host/checksums.js';
import { exportRun } from '../../src/interop/tensorboard.js';
import { Run } from '../../src/run/run.js';
import { packageRoot } from '../../src/util/root.js';
import { readLog, Workplace } from '../support/cli.js';
import { execute } from '../support/programs.js';
import { longerConfig, randomDataset } from '../support/runs.js';

const place = new Workplace();
t.teardown(() => place.remove());
const surroundings = { cwd: place.path, env: { PATH: process.env.PATH } };
const fixtures = join(packageRoot, 'test', 'fixtures', 'tensorboard');

interface Event {
  readonly wall_time: number;
  readonly step?: string;
  readonly file_version?: string;
  readonly summary?: {
    readonly value: readonly {
      readonly tag: string;
      readonly simple_value?: number | string;
      readonly tensor?: { readonly string_val?: readonly string[] };
      readonly metadata?: {
        readonly plugin_data: { readonly plugin_name: string; readonly content?: string };
      };
    }[];
  };
}

/**
 * The messages' layout as python3-protobuf takes it; undefined where this machine has no reader but
 * ours.
 */
async function describeMessages(): Promise<string | undefined> {
  const descriptors = join(place.folder(), 'events.pb');
  const made = await execute(
    'protoc',
    ['-I', fixtures, '--include_imports', `--descriptor_set_out=${descriptors}`, 'events.proto'],
    surroundings,
  );
  if (made?.code !== 0) return undefined;
  const modules = await execute('/usr/bin/python3', ['-c', 'import crc32c, google.protobuf'], surroundings);
  return modules?.code === 0 ? descriptors : undefined;
}

const descriptors = await describeMessages();
const skip = descriptors === undefined && 'protoc, python3-protobuf or python3-crc32c is not installed';

t.test('CRC-32C', async t => {
  // RFC 3720, appendix B.4
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
  t.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  t.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  t.equal(crc32c(ascending), 0x46dd794e);
  t.equal(crc32c(ascending.toReversed()), 0x113fdb5c);
  // the check value of the Rocksoft model
  t.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
});

/** By the folder below `target`. */
async function readBack(target: string): Promise<Record<string, Event[]>> {
  const folders = ['.', 'train', 'test'];
  const files = folders.map(folder => {
    const names = readdirSync(join(target, folder)).filter(name => name.includes('tfevents'));
    if (names.length !== 1) throw new Error(`not one file of events in ${folder}: ${names}`);
    return join(target, folder, names[0]);
  });
  const read = await execute(
    '/usr/bin/python3',
    [join(fixtures, 'read_events.py'), String(descriptors), ...files],
    surroundings,
  );
  if (read?.code !== 0) throw new Error(read?.stderr);
  const events = read.stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as Event[]);
  return Object.fromEntries(folders.map((folder, i) => [folder, events[i]]));
}

/** Step, time and values of every event with a step. */
function curves(events: readonly Event[]) {
  return events
    .filter(({ step }) => step !== undefined)
    .map(({ step, wall_time, summary }) => ({
      step: Number(step),
      time: wall_time,
      values: Object.fromEntries(
        summary?.value.map(({ tag, simple_value }) => [tag, Number(simple_value)]) ?? [],
      ),
    }));
}

/** As the field's precision holds it, in the digits that a JSON of single precision has. */
const single = (value: unknown): number => Number(Math.fround(Number(value)).toPrecision(8));
const rounded = (values: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(values).map(([tag, value]) => [tag, single(value)]));

t.test('a run', { skip }, async t => {
  const data = place.file('data.npz', randomDataset('tensorboard', { train: 96, test: 32, seed: 1 }));
  const run = await place.train(
    { ...longerConfig(data, 3), description: 'an *export*' },
    '--backend',
    'webasm',
  );
  const exported = await place.cellrun('export', run.directory, '--format', 'tensorboard', '--json');
  t.equal(exported.code, 0, exported.stderr);
  const target = join(run.directory, 'tensorboard');
  const { exports } = JSON.parse(exported.stdout);
  t.equal(exports[0].directory, target);
  const before = exports[0].files.map((file: string) => readFileSync(file));
  t.equal((await place.start('export', run.directory, '--format', 'tensorboard').finished).code, 0);
  t.same(
    exports[0].files.map((file: string) => readFileSync(file)),
    before,
    'the same bytes again',
  );
  t.notOk(readdirSync(target).some(name => name.startsWith('.tmp-')));

  const read = await readBack(target);
  const log = readLog(run.directory);
  const seconds = (time: unknown): number => Date.parse(String(time)) / 1000;
  for (const events of Object.values(read)) t.equal(events[0].file_version, 'brain.Event:2');

  const steps = log.filter(({ event }) => event === 'train.step');
  t.ok(steps.length >= 9);
  t.same(
    curves(read.train)
      .filter(({ values }) => 'loss' in values)
      .map(one => ({ ...one, values: rounded(one.values) })),
    steps.map(({ step, time, loss, learning_rate, grad_norm, samples_per_s }) => ({
      step,
      time: seconds(time),
      values: rounded({
        loss,
        learning_rate,
        grad_norm,
        ...(step !== 1 && { samples_per_s }),
      } as Record<string, number>),
    })),
  );
  t.same(
    curves(read.train).flatMap(({ step, values }) =>
      'epoch_loss' in values ? [[step, single(values.epoch_loss)]] : [],
    ),
    log.filter(({ event }) => event === 'train.epoch').map(({ step, loss }) => [step, single(loss)]),
  );
  t.same(
    curves(read.test).map(({ step, values }) => [step, rounded(values)]),
    log
      .filter(({ event }) => event === 'eval')
      .map(({ step, loss, accuracy }) => [step, rounded({ loss, accuracy } as Record<string, number>)]),
  );

  const values = read['.'].flatMap(({ summary }) => summary?.value ?? []);
  const [text, start, end] = values;
  t.equal(text.metadata?.plugin_data.plugin_name, 'text');
  const words = Buffer.from(text.tensor?.string_val?.[0] ?? '', 'base64').toString();
  t.match(words, '    model.hidden_size: 16\n');
  t.match(words, '    description: "an *export*"\n');
  t.match(
    [start, end].map(({ tag }) => tag),
    ['_hparams_/session_start_info', '_hparams_/session_end_info'],
  );
  const info = (value: typeof start) =>
    JSON.parse(Buffer.from(value.metadata?.plugin_data.content ?? '', 'base64').toString());
  const { hparams, ...session } = info(start).session_start_info;
  t.same(session, {
    group_name: basename(run.directory),
    start_time_secs: seconds(JSON.parse(readFileSync(join(run.directory, 'manifest.json'), 'utf8')).started),
  });
  t.match(hparams, {
    'model.cell': { string_value: 'lstm' },
    'model.hidden_size': { number_value: 16 },
    'optimizer.betas': { string_value: '[0.9,0.999]' },
    'training.shuffle': { bool_value: true },
  });
  t.notOk('name' in hparams || 'gates' in hparams, 'what decides no result is no hyperparameter');
  t.same(info(end).session_end_info, { status: 1, end_time_secs: seconds(log.at(-1)?.time) });
});

/** A run directory of a given log, as a killed process leaves it. */
function killedRun(lines: readonly string[]): string {
  const path = join(place.folder(), '20260131T120000Z-00000000');
  mkdirSync(path);
  writeFileSync(join(path, 'config.resolved.yaml'), 'name: killed\nseed: 3\n');
  writeFileSync(join(path, 'log.jsonl'), lines.join('\n'));
  return path;
}

t.test('non-finite numbers, numbers too large for a field, and a truncated end', { skip }, async t => {
  const step = (n: number, loss: string) =>
    `{"event":"train.step","time":"2026-01-31T12:00:0${n}.000Z","epoch":1,"step":${n},${loss},"learning_rate":0.5}`;
  const path = killedRun([
    step(1, '"loss":1e39'),
    step(2, '"loss":null,"loss_nonfinite":"nan"'),
    step(3, '"loss":null,"loss_nonfinite":"-inf"'),
    step(4, '"loss":null,"loss_nonfinite":"constructor"'),
    '{"event":"train.step","step":0.5,"loss":1}',
    '{"event":"train.step","step":1e308,"loss":1}',
    '{"event":"eval","split":"test","step":3,"loss":null,"loss_nonfinite":"inf","accuracy":0.25}',
    '{"event":"train.st',
  ]);
  const target = join(path, 'out');
  exportRun(Run.read(path), target);
  const read = await readBack(target);
  t.same(
    curves(read.train).map(({ step, values }) => [step, values.loss]),
    [
      [1, Number.POSITIVE_INFINITY],
      [2, Number.NaN],
      [3, Number.NEGATIVE_INFINITY],
      [4, undefined],
    ],
    'no step but an integer, and no number of another name',
  );
  t.same(curves(read.test), [
    {
      step: 3,
      time: Date.parse('2026-01-31T12:00:04.000Z') / 1000,
      values: { loss: Number.POSITIVE_INFINITY, accuracy: 0.25 },
    },
  ]);
  const end = read['.'].at(-1)?.summary?.value[0].metadata?.plugin_data.content ?? '';
  t.match(Buffer.from(end, 'base64').toString(), '"session_end_info"');
  t.notMatch(Buffer.from(end, 'base64').toString(), '"status"', 'how it ended is not known');
});

t.test('folders of runs, and refused arguments', async t => {
  const root = place.folder();
  const runs = ['20260131T120000Z-00000000', '20260131T120001Z-00000000'].map(id => {
    const path = join(root, 'twice', id);
    cpSync(killedRun(['{"event":"run.start"}']), path, { recursive: true });
    return path;
  });
  const output = join(place.folder(), 'board');
  const exported = await place.cellrun('export', root, '--format', 'tensorboard', '-o', output);
  t.equal(exported.code, 0, exported.stderr);
  t.same(
    exported.stdout.trimEnd().split('\n'),
    runs.map(run => join(output, 'twice', basename(run))),
  );
  t.match(exported.stderr, `tensorboard --logdir ${output}\n`);
  const spaced = `${output} it's`;
  const quoted = await place.cellrun('export', root, '--format', 'tensorboard', '-o', spaced);
  t.match(quoted.stderr, `tensorboard --logdir '${output} it'\\''s'\n`, 'as a shell takes it');
  const inside = await place.cellrun('export', ...runs, '--format', 'tensorboard');
  t.match(inside.stderr, `tensorboard --logdir ${join(root, 'twice')}\n`, 'what all are in');

  const [first] = runs;
  mkdirSync(join(first, 'tensorboard', 'train'), { recursive: true });
  writeFileSync(join(first, 'tensorboard', 'train', 'events.out.tfevents.1.host'), 'theirs');
  const foreign = await place.cellrun('export', first, '--format', 'tensorboard');
  t.equal(foreign.code, 2);
  t.match(foreign.stderr, "another program's event file is here");
  t.equal(readFileSync(join(first, 'tensorboard', 'train', 'events.out.tfevents.1.host'), 'utf8'), 'theirs');

  const file = place.file('file', '');
  for (const [args, message] of [
    [[first], '--format', 'tensorboard'],
    [[place.folder(), '--format', 'tensorboard'], 'no runs found here'],
    [[runs[1], '--format', 'tensorboard', '-o', join(file, 'below')], 'a component of the path is a file'],
    [[runs[1], '--format', 'tensorboard', '-o', file], 'this folder cannot be created'],
  ] as const)
    t.match(await place.cellrun('export', ...args), { code: 2, stderr: message });
});
