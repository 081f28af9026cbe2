/** Windows over series: what they hold, and that no split knows a later one. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { checkAgainstData } from '../../src/config/data-check.js';
import { loadExperiment } from '../../src/config/index.js';
import type { ForecastConfig } from '../../src/data/forecast/facts.js';
import {
  type Dataset,
  inDataUnits,
  isRejected,
  NAIVE_FORECASTS,
  type NaiveForecast,
  newSequences,
  type ReadSequence,
  type Scaling,
  type Split,
} from '../../src/data/index.js';
import { packageRoot } from '../../src/util/root.js';
import { asInput, closeTo, complaints, line, open, sequence } from '../support/data-files.js';
import { config, linesOf } from '../support/prediction-cases.js';
import { train } from '../support/runs.js';
import { StepCounter } from '../support/steps.js';
import { work } from '../support/work.js';

const folder = join(packageRoot, 'test/fixtures/forecast');
interface Window {
  readonly id: string;
  readonly x: number[][];
  readonly y: number[];
  readonly scaled: number[];
  readonly last_value: (number | null)[];
  /** The last value plus the mean of all differences so far for each step. */
  readonly drift: (number | null)[];
  readonly seasonal_naive: (number | null)[];
  readonly season_mean: (number | null)[];
  readonly naive_error: number | null;
}

/** A printed prediction: lists of one number for each step. */
interface Told {
  readonly id: string;
  readonly time: string[];
  readonly predicted: number[][];
  readonly target: number[][];
  readonly quantiles: readonly Readonly<Record<string, number[]>>[];
}

type Splits = 'train' | 'validation' | 'test';

const expected: {
  readonly splits: Record<Splits, Window[]>;
  readonly mase: Record<'validation' | 'test', Record<NaiveForecast, number>>;
  /** By id: with `transform: log`. */
  readonly log: Record<string, { readonly x: number[][]; readonly scaled: number[] }>;
  /** By id: with `relative_to: season` and `per_step`, and a season of two days. */
  readonly relative: Record<
    string,
    { readonly x: number[][]; readonly scaled: number[]; readonly seasonal_naive: number[] }
  >;
} = JSON.parse(readFileSync(join(folder, 'sales.json'), 'utf8'));

const sales: ForecastConfig = {
  kind: 'forecast',
  delimiter: ',',
  per_step: false,
  path: join(folder, 'sales.csv'),
  target: 'sales',
  series: 'region',
  time: 'day',
  features: ['rain'],
  known: ['holiday'],
  calendar: ['day_of_week'],
  input_steps: 5,
  horizon: 3,
  stride: 2,
  season: 7,
  normalize: 'standard',
  test_fraction: 0.25,
  validation: { count: 6 },
};

const near = (a: ArrayLike<number>, b: readonly number[]) =>
  a.length === b.length && b.every((value, i) => closeTo(a[i], value, 1e-5 * Math.max(1, Math.abs(value))));

/** The targets of a window in the units of the data, and as they are stored. */
function targetsOf({ targets }: Split, index: number): { stored: number[]; values: number[] } {
  if (targets.kind !== 'value') throw new Error('forecasts are values');
  const { size, scaling } = targets;
  const stored = [...targets.values.subarray(index * size, (index + 1) * size)];
  const { offset, scale } = typeof scaling === 'function' ? scaling(index) : scaling!;
  return { stored, values: stored.map((value, i) => value * scale[i] + offset[i]) };
}

t.test('the test split is a fraction or a number of the last times', async t => {
  const idsOf = async (more: Partial<ForecastConfig>) => {
    const { test } = await open({ ...sales, test_fraction: undefined, ...more });
    return Array.from({ length: test.count }, (_, i) => test.id?.(i));
  };
  const days = readFileSync(sales.path, 'utf8').match(/\d{4}-\d\d-\d\d/g);
  const times = new Set(days).size;
  const want = expected.splits.test.map(({ id }) => id);
  t.same(await idsOf({ test: { fraction: 0.25 } }), want);
  t.same(await idsOf({ test: { count: Math.round(times * 0.25) } }), want);
  t.match(await complaints(2, () => idsOf({ test: { count: times } })), [
    new RegExp(`^data/test \\| the test split leaves no points.*at most ${times - 2} \\| got ${times}$`),
  ]);
});

t.test('folds of a series are those of scikit-learn, and none reads what comes after it', async t => {
  const { of_time } = JSON.parse(
    readFileSync(join(packageRoot, 'test/fixtures/splits/scikit-learn.json'), 'utf8'),
  );
  for (const { count, splits, parts } of of_time) {
    // no window fits into a single day
    if (parts[0][0].length < 2) continue;
    const path = work.file('days.csv', `y\n${[...Array(count).keys()].join('\n')}\n`);
    const days: ForecastConfig = {
      ...{ kind: 'forecast', path, target: 'y', input_steps: 1, horizon: 1, normalize: 'standard' },
      ...{ delimiter: ',', per_step: false, stride: 1 },
    };
    const opened = (fold: number) => open({ ...days, test: { fold, of: splits } });
    const daysIn = (split: Split) =>
      Array.from({ length: split.count }, (_, i) => Math.round(targetsOf(split, i).values[0]));
    for (const [i, [train, test]] of parts.entries()) {
      const dataset = await opened(i + 1);
      // the first day is only read
      t.same(daysIn(dataset.train), train.slice(1));
      t.same(daysIn(dataset.test), test);
      const mean = train.reduce((sum: number, one: number) => sum + one, 0) / train.length;
      t.ok(closeTo(dataset.seriesFacts?.columns[0].mean ?? 0, mean, 1e-9), 'scaled by its own past');
    }
    const whole = await opened(0);
    t.equal(whole.train.count, count - 1);
    t.equal(whole.test.count, 0);
    t.match(await complaints(2, () => open({ ...days, test: { fold: 1, of: count } })), [
      new RegExp(`^data/test \\| there are fewer points in time than folds.*at most ${count - 1}`),
    ]);
  }
});

t.test('windows, scaling and naive forecasts are those of NumPy', async t => {
  const data = await open(sales);
  t.same(data.input, { kind: 'number', size: 6 });
  t.equal(data.sequenceLength, 8);
  for (const name of ['train', 'validation', 'test'] as const) {
    const split = data[name]!;
    const want = expected.splits[name];
    t.same(
      want.map((_, i) => split.id!(i)),
      want.map(({ id }) => id),
      name,
    );
    t.equal(split.count, want.length);
    want.forEach((window, i) => {
      t.ok(
        sequence(data, split, i).every((step, s) => near(step, window.x[s])),
        window.id,
      );
      const { stored, values } = targetsOf(split, i);
      t.ok(near(stored, window.scaled) && near(values, window.y), `targets of ${window.id}`);
      t.ok(
        window.naive_error === null
          ? split.errorScale!(i) === undefined
          : closeTo(split.errorScale!(i)![0], window.naive_error, 1e-5),
      );
      for (const baseline of NAIVE_FORECASTS) {
        const naive = split.naive![baseline]!(i);
        if (window[baseline].includes(null)) t.equal(naive, undefined);
        else {
          const { targets } = split;
          const { offset, scale } =
            targets.kind === 'value' && typeof targets.scaling === 'function'
              ? targets.scaling(i)
              : { offset: [], scale: [] };
          t.ok(
            near(
              [...naive!].map((value, h) => value * scale[h] + offset[h]),
              window[baseline] as number[],
            ),
            baseline,
          );
        }
      }
    });
  }
});

const relative: ForecastConfig = { ...sales, season: 2, relative_to: 'season', per_step: true };

t.test('values are measured from those of the same place in the season, as by NumPy', async t => {
  const data = await open(relative);
  t.equal(data.firstPrediction, 5);
  const vector = await open({ ...relative, per_step: false });
  for (const name of ['train', 'validation', 'test'] as const) {
    const split = data[name]!;
    const { targets } = split;
    if (targets.kind !== 'value' || typeof targets.scaling !== 'function') throw new Error('values');
    for (let i = 0; i < split.count; i++) {
      const id = split.id!(i);
      const want = expected.relative[id];
      const { y } = expected.splits[name][i];
      t.ok(
        sequence(data, split, i).every((step, s) => near(step, want.x[s])),
        id,
      );
      const stored = [...targets.values.subarray(i * 8, (i + 1) * 8)];
      t.ok(stored.slice(0, 5).every(Number.isNaN), 'steps that are read have no target');
      t.ok(near(stored.slice(5), want.scaled));
      const inUnits = (at: number, value: number): number => {
        const { offset, scale } = (targets.scaling as (at: number) => Scaling)(at);
        return value * scale[0] + offset[0];
      };
      const ahead = [5, 6, 7].map(step => i * 8 + step);
      t.ok(
        near(
          ahead.map(at => inUnits(at, targets.values[at])),
          y,
        ),
      );
      t.ok(
        near(
          ahead.map(at => inUnits(at, split.naive!.seasonal_naive!(at)![0])),
          want.seasonal_naive,
        ),
        'the naive forecast',
      );
      t.equal(split.naive!.seasonal_naive!(i * 8 + 4), undefined);
      const whole = targetsOf(vector[name]!, i);
      t.ok(near(whole.stored, want.scaled) && near(whole.values, y), 'all at once');
    }
  }
  t.match(await complaints(2, () => open({ ...relative, season: 7 })), [
    /^data\/relative-to \| the input window is shorter than the season \| expected input_steps of 7 or more \| got input_steps: 5$/,
  ]);
  const { season: _, ...without } = relative;
  t.match(await complaints(2, () => open(without)), [/`relative_to: season` needs `season`/]);
});

t.test(
  'a model that answers at each step is scored, tested back and asked for the horizon alone',
  async t => {
    const { summary } = await train(
      work,
      config(
        relative,
        { kind: 'mae' },
        { cell: 'gru', hidden_size: 4, head: { from: 'every' } },
        { num_epochs: 2, batch_size: 4, metrics: ['mase', 'mean_absolute_error'] },
      ),
    );
    const windows = expected.splits.test;
    const errors = (forecasts: readonly (readonly number[])[]): number => {
      const all = forecasts.flatMap((one, i) => one.map((value, h) => Math.abs(value - windows[i].y[h])));
      return all.reduce((sum, error) => sum + error, 0) / all.length;
    };
    const naive = errors(windows.map(({ id }) => expected.relative[id].seasonal_naive));
    t.ok(closeTo(summary.baselines!.test!.seasonal_naive!.mean_absolute_error!, naive, 1e-5));
    const { stdout } = await work.cellrun('predict', summary.directory, '--split', 'test');
    const told = linesOf(stdout) as unknown as Told[];
    t.ok(told.every(({ target }, i) => near(target.flat(), windows[i].y)));
    const predicted: number[][] = told.map(one => one.predicted.flat());
    t.ok(closeTo(summary.metrics.test!.mean_absolute_error!, errors(predicted), 1e-5));
    // the last windows again, as new data whose future is not known
    const rows = readFileSync(sales.path, 'utf8').trim().split('\r\n');
    const { id } = told[0];
    const [region, day] = id.split(' ');
    const last = new Date(Date.parse(day) + 2 * 86_400_000).toISOString().slice(0, 10);
    const future = rows.flatMap((text, i) => {
      const cells = text.split(',');
      if (i === 0) return [text];
      if (cells[0] !== region || cells[1] > last) return [];
      return [cells[1] >= day ? [cells[0], cells[1], '', '', cells[4]].join() : text];
    });
    const input = work.file('future.csv', future.join('\n'));
    const again = await work.cellrun('predict', summary.directory, '--input', input);
    t.equal(again.code, 0, again.stderr);
    const one = JSON.parse(again.stdout);
    t.same(one.predicted, told[0].predicted, 'to the bit');
    t.equal(one.predicted.length, 3);
    const back = await work.cellrun('evaluate', summary.directory, '--backtest', '--json');
    t.equal(back.code, 0, back.stderr);
    const { origins } = JSON.parse(back.stdout);
    const index = told.findIndex(window => window.id === origins[0].id);
    const error =
      predicted[index].reduce((sum, value, h) => sum + Math.abs(value - windows[index].y[h]), 0) / 3;
    t.ok(closeTo(origins[0].model.mean_absolute_error, error, 1e-5));
    t.ok(origins[0].seasonal_naive.mean_absolute_error > 0);
  },
);

t.test('a run reports MASE beside the naive forecasts, and forecasts in the units of the data', async t => {
  const trained = config(
    sales,
    { kind: 'quantile', quantiles: [0.9, 0.5, 0.1] },
    { cell: 'gru', hidden_size: 4 },
    {
      ...{ num_epochs: 2, batch_size: 4 },
      metrics: ['mase', 'mean_absolute_error', 'coverage', 'interval_width'],
    },
  );
  const { summary } = await train(work, trained);
  for (const split of ['validation', 'test'] as const) {
    for (const name of NAIVE_FORECASTS) {
      const value = summary.baselines?.[split]?.[name]?.mase ?? Number.NaN;
      t.ok(closeTo(value, expected.mase[split][name], 1e-5), `${split} ${name}: ${value}`);
    }
  }
  const evaluate = async (...flags: string[]) =>
    (await work.cellrun('evaluate', summary.directory, '--split', 'validation', ...flags)).stdout;
  const { baselines } = JSON.parse(await evaluate('--json'));
  for (const name of NAIVE_FORECASTS) {
    const value = expected.mase.validation[name];
    t.ok(closeTo(baselines.validation[name].mase, value, 1e-5), name);
    const line = new RegExp(`\\n${name}: (?:.*, )?validation mase ([^,]+), `).exec(await evaluate());
    t.ok(closeTo(Number(line?.[1]), value, 1e-3), `${name}: ${line}`);
  }
  const { stdout } = await work.cellrun('predict', summary.directory, '--split', 'test');
  const told = linesOf(stdout) as unknown as Told[];
  t.equal(told.length, expected.splits.test.length);
  const intervals = told.flatMap(({ quantiles, target }) =>
    quantiles.map(({ 0.1: [lower], 0.9: [upper] }, h) => ({
      isIn: lower <= target[h][0] && target[h][0] <= upper,
      width: upper - lower,
    })),
  );
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const covered = mean(intervals.map(({ isIn }) => Number(isIn)));
  const width = mean(intervals.map(one => one.width));
  const { coverage, interval_width } = summary.metrics.test!;
  t.equal(coverage, covered, 'the fraction of the printed targets in the printed intervals');
  t.ok(closeTo(interval_width!, width, 1e-5));
  t.ok(covered > 0, 'bounds are sorted by their level');
  const chart = ['predict', summary.directory, '--split', 'test', '--format', 'chart', '--limit', '2'];
  const drawn = (await work.cellrun(...chart)).stdout.match(/^\S.*forecast.*$/gm);
  t.same(
    drawn,
    told
      .slice(0, 2)
      .map(
        ({ id, time }) =>
          `${id}: forecast from ${time[0]} to ${time.at(-1)} (y series, l quantile 0.1, u quantile 0.9, t target, f forecast)`,
      ),
  );
  const adding = { kind: 'synthetic', problem: 'adding', sequence_length: 4, train_size: 8, test_size: 4 };
  const other = await train(
    work,
    config(adding, { kind: 'mse' }, { cell: 'gru', hidden_size: 2 }, { num_epochs: 1, batch_size: 4 }),
  );
  t.match(await work.cellrun('predict', other.summary.directory, '--format', 'chart'), {
    code: 2,
    stderr: /--format: only forecasts are drawn, not the predictions of `dataset\.kind: synthetic`/,
  });
  const back = ['evaluate', summary.directory, '--backtest', '--set', 'dataset.stride=2'];
  const { origins } = JSON.parse((await work.cellrun(...back, '--json')).stdout);
  const first = told.find(({ id }) => id === origins[0].id)!;
  const ofFirst = first.quantiles.map(({ 0.1: [lower], 0.9: [upper] }) => upper - lower);
  t.ok(closeTo(origins[0].model.interval_width, mean(ofFirst), 1e-5));
  t.match(
    (await work.cellrun(...back)).stdout,
    /^origin +model mae +model mase +model coverage +model width +last/,
  );
  let [sum, count] = [0, 0];
  told.forEach(({ id, predicted, target, quantiles }, i) => {
    const window = expected.splits.test[i];
    t.equal(id, window.id);
    t.ok(near(target.flat(), window.y), 'targets are in the units of the data');
    t.same(
      quantiles.map(levels => levels['0.5']),
      predicted,
    );
    if (window.naive_error === null) return;
    sum +=
      predicted
        .flat()
        .reduce((total: number, value: number, h: number) => total + Math.abs(value - window.y[h]), 0) /
      3 /
      window.naive_error;
    count++;
  });
  t.ok(closeTo(summary.metrics.test!.mase!, sum / count, 1e-5), 'MASE is that of what is predicted');
});

t.test('the logarithm of the target is scaled, as by NumPy', async t => {
  const log = { ...sales, transform: 'log' } as const;
  const data = await open(log);
  t.equal(data.seriesScaling?.transform, 'log');
  for (const name of ['train', 'validation', 'test'] as const) {
    const split = data[name]!;
    const { targets } = split;
    if (targets.kind !== 'value' || typeof targets.scaling !== 'function') throw new Error('values');
    for (let i = 0; i < split.count; i++) {
      const want = expected.log[split.id!(i)];
      t.ok(
        sequence(data, split, i).every((step, s) => near(step, want.x[s])),
        split.id!(i),
      );
      const stored = targets.values.subarray(i * 3, (i + 1) * 3);
      t.ok(near(stored, want.scaled));
      t.ok(near(inDataUnits(stored, targets.scaling(i)), expected.splits[name][i].y));
    }
  }
  const { summary } = await train(
    work,
    config(
      log,
      { kind: 'quantile', quantiles: [0.1, 0.5, 0.9] },
      { cell: 'gru', hidden_size: 4 },
      { num_epochs: 2, batch_size: 4, metrics: ['mase', 'mean_absolute_error', 'coverage'] },
    ),
  );
  for (const name of NAIVE_FORECASTS)
    t.ok(closeTo(summary.baselines!.test![name]!.mase!, expected.mase.test[name], 1e-5), name);
  const { stdout } = await work.cellrun('predict', summary.directory, '--split', 'test');
  const told = linesOf(stdout) as unknown as Told[];
  const errors = told.flatMap(({ predicted, target }) =>
    predicted.map(([value], h) => Math.abs(value - target[h][0])),
  );
  const mean = errors.reduce((a, b) => a + b, 0) / errors.length;
  t.ok(closeTo(summary.metrics.test!.mean_absolute_error!, mean, 1e-5), 'in the units of the data');
  told.forEach(({ target }, i) => {
    t.ok(near(target.flat(), expected.splits.test[i].y));
  });
  const table = readFileSync(sales.path, 'utf8').trim().split('\r\n');
  const [region, day] = told[0].id.split(' ');
  const last = new Date(Date.parse(day) + 2 * 86_400_000).toISOString().slice(0, 10);
  const future = (change: (cells: string[]) => string[]) =>
    table.flatMap((text, i) => {
      const cells = text.split(',');
      if (i === 0) return [text];
      if (cells[0] !== region || cells[1] > last) return [];
      return [(cells[1] >= day ? [cells[0], cells[1], '', '', cells[4]] : change(cells)).join()];
    });
  const predict = (rows: readonly string[]) =>
    work.cellrun('predict', summary.directory, '--input', work.file('log.csv', rows.join('\n')));
  const again = await predict(future(cells => cells));
  t.same(JSON.parse(again.stdout).predicted, told[0].predicted, 'to the bit');
  const before = new Date(Date.parse(day) - 86_400_000).toISOString().slice(0, 10);
  const zero = await predict(future(cells => (cells[1] === before ? cells.with(2, '0') : cells)));
  t.match(zero, {
    code: 5,
    stderr:
      /log\.csv:\d+:1: column "sales": the target is 0 or less and has no logarithm\n {2}expected: positive .*\n {2}got: 0\n/,
  });
  const path = work.file('zeros.csv', ['y', ...Array(30).fill(1), 0, 3, -2].join('\n'));
  const { series: _s, time: _t, features: _f, known: _k, calendar: _c, ...rest } = log;
  t.match(await complaints(5, () => open({ ...rest, path, target: 'y' })), [
    /^data\/no-logarithm \| 2 cells of column "y" are invalid; the first: \| expected positive numbers/,
    /^data\/no-logarithm 32 \| the target is 0 or less and has no logarithm \| .* got 0$/,
  ]);
});

t.test('a forecast continues the series of its data, and the dates that the model reads', async t => {
  const days = Array.from({ length: 63 }, (_, i) =>
    new Date(Date.UTC(2024, 0, 1 + i + 2 * Math.floor(i / 5))).toISOString().slice(0, 10),
  );
  const rows = days.map((day, i) => `${day},${(i * i) % 17}`);
  const { series: _s, features: _f, known: _k, validation: _v, ...rest } = sales;
  const of = (path: string, per_step: boolean) =>
    config(
      { ...rest, path, target: 'y', per_step },
      { kind: 'mae' },
      { cell: 'gru', hidden_size: 4, ...(per_step && { head: { from: 'every' } }) },
      { num_epochs: 1, batch_size: 8 },
    );
  for (const per_step of [false, true]) {
    const path = work.file(`workdays-${per_step}.csv`, ['day,y', ...rows.slice(0, 60)].join('\n'));
    const { summary } = await train(work, of(path, per_step));
    const predict = async (...flags: string[]) => {
      const { stdout, stderr, code } = await work.cellrun('predict', summary.directory, ...flags);
      t.match({ code, stderr }, { code: 0, stderr: '' });
      return linesOf(stdout);
    };
    const [future, ...others] = await predict();
    t.same(others, []);
    t.same(future.time, days.slice(60), 'after a Friday comes a Monday');
    const dated = [...rows.slice(0, 60), ...days.slice(60).map(day => `${day},`)];
    const input = work.file(`dated-${per_step}.csv`, ['day,y', ...dated].join('\n'));
    t.same(await predict('--input', input), [future], 'as if the table listed them');
    // five rows of one week are no workdays by themselves, but those of a trained series
    const short = work.file(`short-${per_step}.csv`, ['day,y', ...rows.slice(55, 60)].join('\n'));
    t.same(await predict('--input', short), [future]);
    const drawn = await work.cellrun('predict', summary.directory, '--format', 'chart');
    const [title, ...picture] = drawn.stdout.trimEnd().split('\n');
    t.equal(title, `forecast from ${days[60]} to ${days[62]} (y series, f forecast)`);
    t.match(picture.at(-1), /^ +-4 +-0\.5 +3 steps$/, 'five steps are read, the last one is step 0');
    const ys = rows.slice(55, 60).map(row => Number(row.split(',')[1]));
    const top = picture.findIndex(text => text.includes('y'));
    const values = [...ys, ...(future.predicted as unknown as number[][]).flat()];
    t.equal(top === 0, Math.max(...values) === Math.max(...ys), 'the largest value is at the top');
    const csv = await work.cellrun('predict', summary.directory, '--format', 'csv');
    t.match(csv.stdout, new RegExp(`^index,step,time,predicted_y\n0,0,${days[60]},[\\d.]+\n0,1,`));
    // the next rows of the file are forecast once it has them
    writeFileSync(path, ['day,y', ...rows.slice(0, 61)].join('\n'));
    t.match((await predict())[0].time, ['2024-03-26', '2024-03-27', '2024-03-28']);
    const irregular = work.file(
      `irregular-${per_step}.csv`,
      ['day,y', '2024-01-01,1', '2024-01-02,1', '2024-01-05,1', '2024-01-12,1', '2024-03-01,1'].join('\n'),
    );
    t.same((await predict('--input', irregular))[0].time, ['2024-03-04', '2024-03-05', '2024-03-06']);
  }
});

const START = Date.UTC(2024, 0, 1);
const dayOf = (i: number) => new Date(START + i * 86_400_000).toISOString().slice(0, 10);

t.test('a backtest forecasts each step of a split once', async t => {
  const rows = Array.from({ length: 60 }, (_, i) => `${dayOf(i)},${i % 7 === 0 ? 20 : (i * 13) % 11}`);
  const path = work.file('backtest.csv', ['day,y', ...rows].join('\n'));
  const { series: _s, features: _f, known: _k, calendar: _c, validation: _v, ...rest } = sales;
  const { summary } = await train(
    work,
    config(
      { ...rest, path, target: 'y', stride: 1 },
      { kind: 'mse' },
      { cell: 'gru', hidden_size: 4 },
      { num_epochs: 1, batch_size: 8, metrics: ['mase', 'mean_absolute_error'] },
    ),
  );
  const { stdout, code, stderr } = await work.cellrun(
    'evaluate',
    summary.directory,
    '--backtest',
    '--json',
    '--backend',
    'webasm',
  );
  t.equal(code, 0, stderr);
  const { origins, mean, horizon } = JSON.parse(stdout);
  t.equal(horizon, 3);
  t.same(
    origins.map(({ id }: { id: string }) => id),
    [45, 48, 51, 54, 57].map(dayOf),
  );
  const y = (i: number) => Number(rows[i].split(',')[1]);
  const naiveError =
    Array.from({ length: 38 }, (_, i) => Math.abs(y(i + 7) - y(i))).reduce((a, b) => a + b, 0) / 38;
  const last = [45, 48, 51, 54, 57].map(
    origin => [0, 1, 2].reduce((sum, h) => sum + Math.abs(y(origin + h) - y(origin - 1)), 0) / 3,
  );
  origins.forEach(
    ({ last_value }: { last_value: { mean_absolute_error: number; mase: number } }, i: number) => {
      t.ok(closeTo(last_value.mean_absolute_error, last[i], 1e-4));
      t.ok(closeTo(last_value.mase, last[i] / naiveError, 1e-4));
    },
  );
  t.ok(closeTo(mean.last_value.mean_absolute_error, last.reduce((a, b) => a + b, 0) / 5, 1e-4));
  const naive = {
    drift: (origin: number, h: number) => y(origin - 1) + ((h + 1) * (y(origin - 1) - y(0))) / (origin - 1),
    seasonal_naive: (origin: number, h: number) => y(origin + h - 7),
    season_mean: (origin: number) => [1, 2, 3, 4, 5, 6, 7].reduce((sum, k) => sum + y(origin - k), 0) / 7,
  };
  for (const [name, forecast] of Object.entries(naive)) {
    const errors = [45, 48, 51, 54, 57].map(
      origin => [0, 1, 2].reduce((sum, h) => sum + Math.abs(y(origin + h) - forecast(origin, h)), 0) / 3,
    );
    t.ok(closeTo(mean[name].mean_absolute_error, errors.reduce((a, b) => a + b, 0) / 5, 1e-4), name);
  }
  const alike = await work.cellrun(
    'evaluate',
    summary.directory,
    '--set',
    'dataset.stride=3',
    '--json',
    '--backend',
    'webasm',
  );
  t.ok(
    closeTo(JSON.parse(alike.stdout).metrics.test.mase, mean.model.mase, 1e-9),
    'the model is evaluated as ever',
  );
  const table = await work.cellrun('evaluate', summary.directory, '--backtest', '--backend', 'webasm');
  t.match(
    table.stdout,
    /^origin +model mae +model mase +last_value mae +drift mae +seasonal_naive mae +season_mean mae\n2024-02-15 +\d/,
  );
  t.match(table.stdout, /\nmean of 5 +\d/);
});

t.test('missing steps are replaced by those of the season, where a season is known', async t => {
  const week = [10, 20, 30, 40, 50, 60, 5];
  const isMissing = (i: number) => [3, 16, 17, 31, 39, 45, 53].includes(i);
  const rows = Array.from({ length: 63 }, (_, i) => `${dayOf(i)},${isMissing(i) ? '' : week[i % 7]}`);
  const path = work.file('weeks.csv', ['day,y', ...rows].join('\n'));
  const dataset = await open({
    ...{ kind: 'forecast', delimiter: ',', path, time: 'day', target: 'y', per_step: false },
    ...{ input_steps: 14, horizon: 7, stride: 1, normalize: 'none', test: { count: 21 } },
    ...{ season: 7, relative_to: 'season', missing: { fill: 'forward' } },
  });
  const { test, sequenceLength, input } = dataset;
  const { scaling, size } = test.targets as { scaling(at: number): Scaling; size: number };
  for (let at = 0; at < test.count; at++) {
    const { first } = test.forecast!(at);
    const expected = Array.from({ length: size }, (_, h) => week[(first + h) % 7]);
    t.same([...inDataUnits(test.naive!.seasonal_naive!(at)!, scaling(at))], expected);
    const mean = inDataUnits(test.naive!.season_mean!(at)!, scaling(at));
    for (const value of mean) t.ok(closeTo(value, week.reduce((a, b) => a + b) / 7, 1e-6));
    const width = input.kind === 'number' ? input.size : 0;
    const out = new Float32Array(sequenceLength * width);
    test.read(at, out, 0, width);
    // each known value is at the level of its weekday
    for (let step = 0; step < 14; step++) {
      if (!isMissing(first - 14 + step)) t.equal(out[step * width], 0, `window ${at}, step ${step}`);
    }
  }
});

t.test('nothing of a later split changes what an earlier one holds', async t => {
  const path = join(t.testdir(), 'a.csv');
  const table = fc.record({
    lengths: fc.array(fc.integer({ min: 25, max: 60 }), { minLength: 1, maxLength: 3 }),
    offset: fc.integer({ min: 0, max: 10 }),
    stride: fc.integer({ min: 1, max: 4 }),
    normalize: fc.constantFrom('standard' as const, 'min_max' as const, 'none' as const),
    seed: fc.integer({ min: 1, max: 1e6 }),
    hasFuture: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(table, async ({ lengths, offset, stride, normalize, seed, hasFuture }) => {
      const config: ForecastConfig = {
        kind: 'forecast',
        delimiter: ',',
        per_step: false,
        path,
        target: 'y',
        series: 's',
        time: 'day',
        features: ['x'],
        ...(hasFuture && { known: ['k'] }),
        input_steps: 4,
        horizon: 2,
        stride,
        normalize,
        test_fraction: 0.2,
        validation: { fraction: 0.2 },
      };
      const rows = lengths.flatMap((length, s) =>
        Array.from({ length }, (_, i) => ({
          s,
          day: dayOf(i + s * offset),
          noise: (seed * (i + 7 * s + 1)) % 101,
        })),
      );
      const days = [...new Set(rows.map(({ day }) => day))].sort();
      const test = days[days.length - Math.round(days.length * 0.2)];
      const before = days.filter(day => day < test);
      const validation = before[before.length - Math.round(before.length * 0.2)];
      const openWith = (from: string) => {
        const cell = (day: string, noise: number) => (day >= from ? 1000 + noise : noise);
        const lines = rows.map(({ s, day, noise }) =>
          [s, day, cell(day, noise), cell(day, noise + 1), cell(day, noise + 2)].join(),
        );
        writeFileSync(path, ['s,day,y,x,k', ...lines].join('\n'));
        return open(config);
      };
      const original = await openWith('9999');
      const everything = (data: Dataset, split: Split) =>
        JSON.stringify(
          Array.from({ length: split.count }, (_, i) => [
            split.id!(i),
            sequence(data, split, i),
            targetsOf(split, i),
            split.errorScale!(i),
            split.naive!.last_value!(i),
          ]),
        );
      const later = await openWith(test);
      if (everything(original, original.train) !== everything(later, later.train)) return false;
      if (everything(original, original.validation!) !== everything(later, later.validation!)) return false;
      if (JSON.stringify(original.seriesScaling) !== JSON.stringify(later.seriesScaling)) return false;
      const latest = await openWith(validation);
      if (everything(original, original.train) !== everything(latest, latest.train)) return false;
      if (JSON.stringify(original.seriesScaling) !== JSON.stringify(latest.seriesScaling)) return false;
      // and what comes later does reach the splits that are to have it
      return everything(original, original.test) !== everything(later, later.test);
    }),
    { numRuns: 60 },
  );
});

t.test('the last steps of a table are forecast from as they would be in a split', async t => {
  const data = await open(sales);
  const table = readFileSync(sales.path, 'utf8').trim().split('\r\n');
  const record = {
    input: data.input,
    sequence_length: 8,
    variable_length: false,
    output_size: 3,
    ...(data.seriesScaling && { series_scaling: data.seriesScaling }),
  };
  const read = async (text: string, config: ForecastConfig = sales): Promise<ReadSequence[]> => {
    const chunks = async function* () {
      yield Buffer.from(text);
    };
    const all: ReadSequence[] = [];
    for await (const some of newSequences(config, record).read(
      asInput({ name: 'a.csv', isFile: true, chunks: chunks() }),
    ))
      all.push(...some);
    return all;
  };
  const dayAfter = (day: string) => new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10);
  for (const window of expected.splits.test) {
    const [region, day] = window.id.split(' ');
    const last = new Date(Date.parse(day) + 2 * 86_400_000).toISOString().slice(0, 10);
    const lines = table.filter(
      (text, i) => i === 0 || (text.startsWith(`${region},`) && text.split(',')[1] <= last),
    );
    const future = lines.map((text, i) => {
      const cells = text.split(',');
      return i > 0 && cells[1] >= day ? [cells[0], cells[1], '', '', cells[4]].join() : text;
    });
    const [one, ...others] = await read(future.join('\n'));
    t.equal(others.length, 0);
    if (isRejected(one)) t.fail(one.problems.map(line).join());
    else {
      t.ok(near(one.values, window.x.flat()), window.id);
      t.equal(one.id, region);
      t.same(one.times, [day, dayAfter(day), last], 'the times of the steps to forecast');
      const { offset, scale } = one.targetScaling!(0);
      t.ok(
        near(
          window.scaled.map((value, h) => value * scale[h] + offset[h]),
          window.y,
        ),
      );
    }
  }
  const told = async (text: string) =>
    (await read(text)).map(one => (isRejected(one) ? one.problems.map(line) : 'read'));
  const head = 'region,day,sales,rain,holiday';
  t.match(await told([head, 'a,2024-01-01,1,1,0'].join('\n')), [
    [
      /^data\/forecast-steps 2 \| series "a" has too few rows .* \| expected 5 rows with a target, .* \| got 1, then 0$/,
    ],
  ]);
  const days = [1, 2, 3, 4, 5].map(day => `a,2024-01-0${day},1,${day === 5 ? 'x' : 1},0`);
  t.match(await told([head, ...days].join('\n')), [
    [/ 6 \| .* expected .* then 3 rows with holiday and an empty target \| got 5, then 0$/],
  ]);
  const ahead = [6, 7, 8].map(day => `a,2024-01-0${day},,,0`);
  t.match(await told([head, ...days, ahead[0]].join('\n')), [[/ 7 .* got 5, then 1$/]]);
  t.match(await told([head, ...days, ...ahead].join('\n')), [
    [/^data\/csv-number 6 \| the cell is not a number/],
  ]);
  // of daily rows, some are missing in the window or after it
  const warned = async (...lacking: number[]) => {
    const all = Array.from({ length: 12 }, (_, i) => `a,2024-01-${String(i + 1).padStart(2, '0')}`);
    const dated = all.flatMap((text, i) =>
      lacking.includes(i + 1) ? [] : `${text}${i < 8 ? ',1,1,0' : ',,,0'}`,
    );
    const [one] = await read([head, ...dated].join('\n'));
    const told = isRejected(one) ? one.problems : (one.warnings ?? []);
    // the training data have no series "a"
    return told.filter(({ code }) => code !== 'data/new-series').map(line);
  };
  const daily = 'expected a row for each step (usual step: 1 day)';
  const missing = (day: number) =>
    `1 step is missing between 2024-01-0${day - 1} and 2024-01-${String(day + 1).padStart(2, '0')} in series "a"`;
  const effect = 'The forecast treats the rows as consecutive';
  t.same(await warned(), []);
  t.same(await warned(2), [], 'the window begins later');
  t.same(await warned(6), [`data/time-gaps 7 | ${missing(6)}. ${effect} | ${daily}`]);
  t.same(await warned(9), [`data/time-gaps 10 | ${missing(9)}. ${effect} | ${daily}`]);
  t.match(await warned(6, 9), [/ 7 .* 2 steps are missing, in 2 gaps/]);
  const aYearLater = ahead.map(text => text.replace('2024', '2025'));
  const four = days.map(text => text.replace('x', '1'));
  t.same(await told([head, ...four, ...aYearLater].join('\n')), [
    [
      'data/forecast-steps 7 | 260 steps are missing between 2024-01-05 and 2025-01-06 in series "a". The rows without a target do not continue the series | expected a row for each step (usual step: 1 workday)',
    ],
  ]);
  const numbered = [...days, ...ahead].map((text, i) => text.replace(/2024-01-\d+/, `${i}`));
  t.match(await told([head, ...numbered].join('\n')), [
    [
      /^data\/calendar 2 \| the model reads calendar features, so times must be dates \| expected ISO 8601 .* \| got "0"$/,
    ],
  ]);
  const plain = { ...sales, features: [], known: [], calendar: [] };
  const [counted] = await read([head, ...numbered].join('\n'), plain);
  t.same(isRejected(counted), false, 'other models need no dates');
  const twice = [...days.slice(0, 4), days[3], ...ahead];
  t.match(await told([head, ...twice].join('\n')), [
    [
      /^data\/csv-order 6 \| two rows of series "a" have the same value in column "day" \| got 2024-01-04, as in line 5$/,
    ],
  ]);
  t.match(await complaints(5, () => read('region,day,sales\na,2024-01-01,1')), [
    /^data\/csv-missing-column .*"rain", which the model reads/,
    /"holiday"/,
  ]);
  t.match(await complaints(5, () => read(['sales,region,day,sales,rain,holiday'].join('\n'))), [
    /^data\/csv-duplicate-column .* two columns are named "sales"/,
  ]);

  // a bad row spoils its series alone
  const complete = [...four, ...ahead];
  const ofSeries = (name: string) => complete.map(text => text.replace('a,', `${name},`));
  const spoilt = (name: string, row: string) => [...ofSeries(name), row];
  const some = [
    ...spoilt('short', 'short,2024-01-09'),
    ...spoilt('undated', 'undated,9 January,,,0'),
    ...ofSeries('whole'),
    ',2024-01-09,,,0',
    '2024',
  ];
  t.match(await told([head, ...some].join('\n')), [
    [/^data\/csv-ragged 10:.* the row has too few fields/],
    [/^data\/csv-order 19:9\+9 .*only numbers or only dates/],
    'read',
    [/^data\/csv-ragged 29:/],
    [/^data\/csv-missing-value 28:1/],
  ]);
  const semicolons = [head, ...complete].join('\n').replaceAll(',', ';');
  t.equal(isRejected((await read(semicolons, { ...sales, delimiter: ';' }))[0]), false);
});

t.test('a table of many series is forecast from in linear work', async t => {
  const steps = new StepCounter();
  const plain = { ...sales, features: [], known: [], calendar: [] };
  const record = {
    input: { kind: 'number', size: 1 } as const,
    sequence_length: 8,
    variable_length: false,
    output_size: 3,
    series_scaling: { pooled: { offset: [0], scale: [1] }, series: [] },
  };
  const counted = (count: number) => {
    const rows = Array.from({ length: count * 20 }, (_, i) => {
      const day = new Date(Date.UTC(2024, 0, 1 + (i % 20))).toISOString().slice(0, 10);
      return `series ${Math.floor(i / 20)},${day},${i % 20 === 19 ? 'x' : i % 7}\n`;
    });
    const text = Buffer.from(`region,day,sales\n${rows.join('')}`);
    const source = {
      name: 'a.csv',
      isFile: true,
      chunks: (async function* () {
        yield text;
      })(),
    };
    return steps.of(async () => {
      let problems = 0;
      for await (const some of newSequences(plain, record).read(asInput(source)))
        problems += some.filter(isRejected).length;
      t.equal(problems, count, 'the last value of each series is no number');
    });
  };
  const [few, many] = [await counted(200), await counted(2000)];
  // quadratic would be 100 times
  t.ok(many < 15 * few, `200 series in ${few} steps, ten times as many in ${many}`);
});

t.test('values far from 0 keep their digits: an offset changes nothing', async t => {
  const OFFSET = 1_700_000_000;
  const at = (offset: number): ForecastConfig => ({
    kind: 'forecast',
    delimiter: ',',
    per_step: false,
    path: work.file(
      `offset-${offset}.csv`,
      `y,z\n${Array.from({ length: 100 }, (_, i) => `${offset + i + (i % 7)},${offset + ((i * i) % 5)}\n`).join('')}`,
    ),
    target: 'y',
    features: ['z'],
    input_steps: 8,
    horizon: 2,
    stride: 1,
    season: 7,
    normalize: 'standard',
    test_fraction: 0.25,
  });
  const [near0, far] = [await open(at(0)), await open(at(OFFSET))];
  for (const split of ['train', 'test'] as const) {
    for (let i = 0; i < near0[split].count; i++) {
      const steps = [far, near0].map(data => sequence(data, data[split], i).flat());
      t.ok(near(steps[0], steps[1]), `${split} ${i}`);
      t.ok(near(targetsOf(far[split], i).stored, targetsOf(near0[split], i).stored));
    }
  }
  // float32 has no number between 1,700,000,000 and 1,700,000,128
  const csv = loadExperiment(
    work.config(
      config(
        {
          ...{ kind: 'csv', path: at(OFFSET).path, features: ['y'], target: 'z', target_kind: 'value' },
          ...{ test_fraction: 0.25, normalize: 'standard' },
        },
        { kind: 'mse' },
        { cell: 'gru', hidden_size: 2 },
        { num_epochs: 1, batch_size: 4 },
      ),
    ),
  );
  const { warnings } = checkAgainstData(csv, await open(csv.experiment.dataset));
  const coarse = warnings.filter(({ code }) => code === 'data/coarse-column');
  t.match(coarse, [{ message: /: y \(steps of 128 near 17\d+\), z \(/ }]);
});

t.test('what cannot be split or read is told', async t => {
  const with_ = (more: object) => complaints(2, () => open({ ...sales, ...more }));
  t.match(await with_({ horizon: 30 }), [
    /^data\/no-window \| the training split has no window of 5 input steps and 30 steps to predict/,
  ]);
  t.match(await with_({ validation: { count: 30 } }), [
    /leaves no points in time to train on \| expected at most 29 \| got 30$/,
  ]);
  t.match(await with_({ validation: { count: 2 } }), [/^data\/no-window \| the validation split/]);
  t.match(await with_({ time: undefined }), [/^data\/calendar \| calendar features need a `time` column/]);
  const germanDates = work.file('german.csv', 'day,sales\n01.01.2023,1\n02.01.2023,2\n03.01.2023,3\n');
  const german = { path: germanDates, series: undefined, features: [], known: [], calendar: undefined };
  t.match(await complaints(5, () => open({ ...sales, ...german } as unknown as ForecastConfig)), [
    /3 cells of column "day" are invalid; the first: \| expected `dataset.date_format`/,
    /not in ISO 8601.*`dataset.date_format`, such as "%d.%m.%Y".*"01\.01\.2023"/,
  ]);
  const clocks = ['2024-10-27 01:00', '2024-10-27 02:00', '2024-10-27 02:00', '2024-10-27 03:00'];
  const atNight = work.file('clocks.csv', ['s,time,y', ...clocks.map(time => `A,${time},1`)].join('\n'));
  const { validation: _validation, ...undivided } = sales;
  const columns = { time: 'time', target: 'y', features: [], known: [], calendar: [] };
  const night = { ...undivided, ...columns, path: atNight };
  const offset = 'expected different times; if clocks were set back, times with a UTC offset such as +02:00';
  t.same(await complaints(5, () => open({ ...night, series: 's' })), [
    `data/csv-order 4 | two rows of series "A" have the same value in column "time" | ${offset} | got 2024-10-27 02:00, as in line 3`,
  ]);
  const alone = { ...night, series: undefined } as unknown as ForecastConfig;
  t.match(await complaints(5, () => open(alone)), [
    / \| two rows have the same value in column "\w+" \| expected /,
  ]);
  t.match(await with_({ known: ['holliday'] }), [/^data\/csv-missing-column .*has no column "holliday"/]);
  const whole = await open({
    ...sales,
    series: undefined,
    path: sales.path,
    calendar: undefined,
    known: undefined,
    time: undefined,
  } as unknown as ForecastConfig);
  t.equal(
    whole.sequenceLength,
    5,
    'without anything known in advance a window ends where it is forecast from',
  );
  t.same(whole.input, { kind: 'number', size: 2 });
  t.equal(whole.train.id!(0), '6');
  const loaded = loadExperiment(
    work.config(
      config(sales, { kind: 'mse' }, { cell: 'gru', hidden_size: 4 }, { num_epochs: 1, batch_size: 4 }),
    ),
  );
  t.same(checkAgainstData(loaded, await open(sales)).diagnostics, []);
});
