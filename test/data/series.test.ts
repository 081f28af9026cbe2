/**
 * Series with missing cells, several targets and uneven times, against pandas and scikit-learn.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Resampling } from '../../src/data/core/intervals.js';
import type { ForecastConfig } from '../../src/data/forecast/facts.js';
import { isRejected, newSequences } from '../../src/data/index.js';
import type { ValueEvaluation } from '../../src/tasks/facts.js';
import { packageRoot } from '../../src/util/root.js';
import { buildRunReport } from '../../src/view/run-report.js';
import { asInput, closeTo, complaints, line, open, sequence } from '../support/data-files.js';
import { config, linesOf } from '../support/prediction-cases.js';
import { taskReportOf } from '../support/report-runs.js';
import { train } from '../support/runs.js';
import { work } from '../support/work.js';

const folder = join(packageRoot, 'test/fixtures/series');
type Fill = 'forward' | 'mean' | 'median' | 'zero';

interface Window {
  readonly x: readonly number[][];
  readonly y: readonly number[];
  readonly last_value: readonly number[];
}

interface Told {
  readonly id: string;
  readonly predicted: readonly number[][];
}

const expected: {
  readonly test_from: string;
  readonly cases: readonly {
    readonly fill: Fill;
    /** By id. */
    readonly windows: Readonly<Record<'train' | 'test', Readonly<Record<string, Window>>>>;
  }[];
  readonly resampled: readonly (Resampling & {
    readonly series: Readonly<
      Record<string, { readonly times: readonly string[]; readonly values: readonly (number | null)[][] }>
    >;
  })[];
} = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'));

const near = (a: ArrayLike<number>, b: readonly number[]) =>
  a.length === b.length && b.every((value, i) => closeTo(a[i], value, 2e-5 * Math.max(1, Math.abs(value))));

/** Measurements of two sensors at uneven times. */
const uneven = (resample: Resampling) => ({
  ...{ kind: 'csv' as const, path: join(folder, 'uneven.csv'), delimiter: ',' as const },
  ...{ features: ['heat', 'load'], target: 'load', target_kind: 'value' as const },
  sequence: { group: 'sensor', order: 'time', per_step: true, resample },
  test: { count: 1, select: 'last' as const },
  missing: { fill: -1000 },
});

function inputOf(text: string) {
  const chunks = (async function* () {
    yield Buffer.from(text);
  })();
  return asInput({ name: 'new.csv', isFile: true, chunks });
}

for (const { every, by, series } of expected.resampled) {
  t.test(`steps every ${every}, by ${by}, are those of pandas`, async t => {
    const dataset = uneven({ every, by });
    const data = await open(dataset);
    for (const split of [data.train, data.test]) {
      const { values } = series[split.id?.(0) ?? ''];
      const want = values.flatMap(row => row.map(value => value ?? -1000));
      t.ok(near(sequence(data, split, 0).slice(0, values.length).flat(), want));
      t.equal(split.lengths?.[0] ?? data.sequenceLength, values.length);
      const loads = values.map(([, load]) => load ?? Number.NaN);
      const targets = [...split.targets.values];
      t.ok(loads.every((load, step) => Object.is(load, targets[step]) || closeTo(load, targets[step], 1e-5)));
    }
    const record = { input: data.input, sequence_length: 1, variable_length: true, output_size: 1 };
    const reader = newSequences(dataset, {
      ...record,
      ...(data.preparation && { preparation: data.preparation }),
    });
    for await (const list of reader.read(inputOf(readFileSync(dataset.path, 'utf8'))))
      for (const one of list) {
        if (isRejected(one)) throw new Error(one.problems.map(line).join());
        const { times, values } = series[one.id ?? ''];
        t.same(one.times, times);
        t.ok(
          [...one.values].every((value, i) => {
            const want = values.flat()[i] ?? Number.NaN;
            return Object.is(value, want) || closeTo(value, want, 1e-6 * Math.max(1, Math.abs(want)));
          }),
        );
      }
  });
}

t.test('a forecast at regular times continues them', async t => {
  const dataset = {
    ...{ kind: 'forecast', path: join(folder, 'uneven.csv'), target: 'heat', features: ['load'] },
    ...{ series: 'sensor', time: 'time', input_steps: 6, horizon: 2, test_fraction: 0.3 },
    ...{ resample: { every: '4h', by: 'mean' }, missing: { fill: 'forward', indicator: true } },
  };
  const { summary } = await train(work, config(dataset, { kind: 'mae' }, { cell: 'gru', hidden_size: 4 }));
  const predicted = await work.cellrun('predict', summary.directory);
  t.equal(predicted.code, 0, predicted.stderr);
  t.notMatch(predicted.stderr, /steps? (is|are) missing/);
  t.match(predicted.stderr, /warning: 8 of the 12 values that the prediction reads are missing and filled/);
  for (const { id, time } of linesOf(predicted.stdout) as unknown as { id: string; time: string[] }[]) {
    const last = expected.resampled.find(({ every }) => every === '1h')?.series[id].times.at(-1) ?? '';
    const hours = 4 * 3_600_000;
    const next = (1 + Math.floor(Date.parse(`${last}Z`) / hours)) * hours;
    t.same(
      time,
      [next, next + hours].map(key => new Date(key).toISOString().slice(0, 16)),
      id,
    );
  }
  const measured = await work.cellrun('evaluate', summary.directory, '--input', dataset.path, '--json');
  t.equal(measured.code, 0, measured.stderr);
});

t.test('what cannot be resampled', async t => {
  const of = (resample: object, more: object = {}) => open({ ...uneven(resample as Resampling), ...more });
  t.match(await complaints(2, () => of({ every: 10, by: 'mean' })), [
    /^data\/resample \| steps every 10 need an order column of numbers \| expected a duration such as 1h/,
  ]);
  const without = { missing: undefined };
  t.match(await complaints(5, () => of({ every: '1h', by: 'mean' }, without)), [
    /^data\/csv-missing-value \| \d+ cells in 2 columns are missing; the first of each:/,
    /^data\/csv-missing-value \d+ \| the step of 2024-\d\d-\d\dT\d\d:00 has no value \| expected a value in every row, or/,
    /the step of .* has no value/,
  ]);
  const path = work.file('ticks.csv', 'g,t,a,y\nx,0,1,1\nx,1e9,2,2\nz,0,1,1\n');
  const ticks = { path, features: ['a'], target: 'y', sequence: { group: 'g', order: 't', per_step: true } };
  const fine = { sequence: { ...ticks.sequence, resample: { every: 0.001, by: 'mean' } } };
  t.match(await complaints(5, () => of({ every: 0.001, by: 'mean' }, { ...ticks, ...fine })), [
    /^data\/resample 2 \| the sequence of group "x" would have too many steps/,
  ]);
});

t.test('a bad date refuses its sequence alone', async t => {
  const rows = [
    'a,2024-01-01T00:00,1,1',
    'b,2024-01-01T05:00,2,2',
    'a,noon,1,1',
    'b,2024-01-01T07:30,4,',
    'c,7,1,1',
  ];
  const input = { kind: 'number', size: 2 } as const;
  const record = { input, sequence_length: 1, variable_length: true, output_size: 1 };
  const told: unknown[] = [];
  for await (const list of newSequences(uneven({ every: '1h', by: 'mean' }), record).read(
    inputOf(['sensor,time,heat,load', ...rows].join('\n')),
  ))
    told.push(...list.map(one => (isRejected(one) ? one.problems.map(line) : [...one.values])));
  t.match(told, [
    [/^data\/csv-order 4:3\+4 .* only numbers or only dates/],
    [2, 2, Number.NaN, Number.NaN, 4, Number.NaN],
    [/^data\/csv-order 6:3\+1 /],
  ]);
});

const holes: ForecastConfig = {
  ...{ kind: 'forecast', delimiter: ',', path: join(folder, 'holes.csv'), date_format: undefined },
  ...{ target: 'sold', series: 'place', time: 'day', features: ['wind'], known: ['offer'] },
  ...{ input_steps: 4, horizon: 2, stride: 1, normalize: 'standard', per_step: false, test_fraction: 0.25 },
  missing: { fill: 'forward', indicator: true, elapsed: true },
};

t.test('columns of series may have a fill of their own', async t => {
  const rowsOf = async (more: Partial<ForecastConfig>) => {
    const data = await open({ ...holes, ...more });
    return Array.from({ length: data.train.count }, (_, i) => sequence(data, data.train, i)).flat();
  };
  const wind = { column: 'wind', missing: { fill: 'zero' } } as const;
  const [mixed, forward, zero] = [
    await rowsOf({ features: [wind] }),
    await rowsOf({}),
    await rowsOf({ missing: { ...holes.missing, fill: 'zero' } }),
  ];
  t.notSame(forward, zero);
  // sold, wind, offer; then the same for all
  t.same(
    mixed,
    forward.map((row, i) => row.with(1, zero[i][1])),
  );
  t.match(await complaints(5, () => rowsOf({ missing: undefined, features: [wind] })), [
    /cells in 2 columns are missing; the first of each:/,
    /^data\/csv-missing-value/,
    /^data\/csv-missing-value/,
  ]);
});

for (const { fill, windows } of expected.cases) {
  t.test(`missing cells of series, fill ${fill}, as by pandas and scikit-learn`, async t => {
    const data = await open({ ...holes, missing: { ...holes.missing, fill } });
    t.same(
      Array.from({ length: 10 }, (_, i) => data.columnNames?.features(i)),
      [
        ...['sold', 'wind', 'offer', 'sold missing', 'wind missing', 'offer missing'],
        ...['sold elapsed', 'wind elapsed', 'offer elapsed', 'future'],
      ],
    );
    for (const name of ['train', 'test'] as const) {
      const split = data[name];
      const want = windows[name];
      const ids = Array.from({ length: split.count }, (_, i) => split.id?.(i) ?? '');
      t.same(ids.toSorted(), Object.keys(want).sort(), 'a window without all of its targets is left out');
      const { targets } = split;
      if (targets.kind !== 'value') throw new Error('values');
      ids.forEach((id, i) => {
        t.ok(near(sequence(data, split, i).flat(), want[id].x.flat()), `${name} ${id}`);
        t.same(targets.given?.(i), want[id].y, id);
        const scaling = typeof targets.scaling === 'function' ? targets.scaling(i) : undefined;
        const naive = [...(split.naive?.last_value?.(i) ?? [])];
        const inUnits = naive.map((value, h) => value * scaling!.scale[h] + scaling!.offset[h]);
        t.ok(near(inUnits, want[id].last_value), 'the last value that is known');
      });
    }
    t.ok(data.unlabelled! > 0);
  });
}

for (const per_step of [false, true]) {
  t.test(`training, evaluation and predictions read the same windows, per_step ${per_step}`, async t => {
    const model = { cell: 'gru', hidden_size: 4, ...(per_step && { head: { from: 'every' } }) };
    const metrics = { num_epochs: 2, batch_size: 4, metrics: ['mase', 'rmse', 'mean_absolute_error'] };
    const dataset = { ...holes, per_step, relative_to: 'last_value' as const };
    const { summary } = await train(work, config(dataset, { kind: 'mae' }, model, metrics));
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await work.cellrun(args[0], summary.directory, ...args.slice(1));
      t.equal(code, 0, stderr);
      return stdout;
    };
    // the rows of the test split, and those that its first window reads
    const since = (day: string, steps: number) =>
      new Date(Date.parse(day) - steps * 86_400_000).toISOString().slice(0, 10);
    const [head, ...rows] = readFileSync(holes.path, 'utf8').trim().split('\n');
    const cells = rows.map(row => row.split(','));
    const last = cells.flatMap(row => (row[1] >= since(expected.test_from, 4) ? [row.join()] : [])).sort();
    const input = work.file('last.csv', [head, ...last].join('\n'));
    const measured = JSON.parse(await run('evaluate', '--input', input, '--json'));
    t.same(measured.metrics.input, summary.metrics.test);

    const told = linesOf(await run('predict', '--split', 'test')) as unknown as Told[];
    let compared = 0;
    for (const { id, predicted } of told) {
      const [place, day] = id.split(' ');
      const isKnown = cells.some(([of, at, sold]) => of === place && at === since(day, 1) && sold !== 'NA');
      // otherwise the forecast begins earlier
      if (!isKnown) continue;
      const window = cells.flatMap(([of, at, sold, wind, offer]) => {
        if (of !== place || at < since(day, 4) || at > since(day, -1)) return [];
        return [(at < day ? [of, at, sold, wind, offer] : [of, at, '', 'NA', offer]).join()];
      });
      const future = work.file('future.csv', [head, ...window].join('\n'));
      const [own] = linesOf(await run('predict', '--input', future)) as unknown as Told[];
      t.same(own.predicted, predicted, id);
      compared++;
    }
    t.ok(compared >= 5);
  });
}

t.test('what is missing is counted, unless it is the future of a series', async t => {
  const { missing: _, ...without } = holes;
  t.match(await complaints(5, () => open(without as ForecastConfig)), [
    /^data\/csv-missing-value \| \d+ cells in 3 columns are missing; the first of each: \| expected a value in every row, or `dataset\.missing:/,
    /^data\/csv-missing-value 3 \| the value is missing .* got "NA"/,
    /^data\/csv-missing-value \d+ /,
    /^data\/csv-missing-value \d+ /,
  ]);
  const rows = Array.from({ length: 20 }, (_, i) => `${i},${i < 17 ? i % 5 : ''},${i < 17 ? 1 : 'x'}`);
  const path = work.file('ahead.csv', ['t,y,k', ...rows].join('\n'));
  const plain = { ...without, path, target: 'y', series: undefined, time: 't', known: [], features: [] };
  const data = await open(plain as unknown as ForecastConfig);
  t.equal(data.test.id?.(data.test.count - 1), '15', 'rows without a target have no place in a split');
  t.equal(data.unlabelled, undefined);
  const zero = { ...holes, transform: 'log' as const, missing: { fill: 'zero' as const } };
  t.match(await complaints(2, () => open(zero)), [
    /^data\/no-logarithm \| missing targets become 0, which has no logarithm/,
  ]);
  const summary = await work.cellrun('data', work.config(config(holes, { kind: 'mae' })), '--json');
  t.equal(summary.code, 0, summary.stderr);
  const table = readFileSync(holes.path, 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map(row => row.split(','));
  const { missing, unlabelled } = JSON.parse(summary.stdout);
  const winds = (isIn: (day: string) => boolean) =>
    table.filter(
      ([place, day, , wind]) => wind === 'NA' && isIn(day) && !(place === 'east' && day > '2024-04-03'),
    );
  t.match(missing[1], {
    name: 'wind',
    counts: {
      train: winds(day => day < expected.test_from).length,
      test: winds(day => day >= expected.test_from).length,
    },
  });
  t.equal(unlabelled, (await open(holes)).unlabelled);
});

t.test('several targets are forecast together: each as if it were the only one', async t => {
  const { missing: _m, features: _f, ...rest } = holes;
  const rows = Array.from({ length: 48 }, (_, i) => [
    ...[`2024-01-${String(1 + (i % 24)).padStart(2, '0')}`, i < 24 ? 'a' : 'b'],
    ...[20 + ((i * 7) % 11), 3 + ((i * i) % 5), i % 3],
  ]);
  const path = work.file('two.csv', ['day,place,x,y,k', ...rows.map(row => row.join())].join('\n'));
  for (const per_step of [false, true]) {
    for (const more of [{}, { relative_to: 'season' as const, season: 2 }, { transform: 'log' as const }]) {
      const base = { ...rest, path, known: ['k'], per_step, season: 2, ...more };
      const of = (target: string | string[], features: string[]) => open({ ...base, target, features });
      const [both, x, y] = await Promise.all([of(['x', 'y'], []), of('x', ['y']), of('y', ['x'])]);
      t.equal(both.test.count, x.test.count);
      for (let i = 0; i < both.test.count; i++) {
        const steps = sequence(both, both.test, i);
        const [ofX, ofY] = [sequence(x, x.test, i), sequence(y, y.test, i)];
        t.same(
          steps,
          ofX.map(([value, , ...others], s) => [value, ofY[s][0], ...others]),
          'levels and logarithms are those of each target',
        );
        t.same(both.test.errorScale?.(i), [x.test.errorScale?.(i)?.[0], y.test.errorScale?.(i)?.[0]]);
        t.same(
          both.test.history?.(i).filter((_, at) => at % 2 === 1),
          y.test.history?.(i),
        );
      }
      const values = ({ test: { targets } }: typeof x) => [...targets.values];
      t.same(
        values(both).filter((_, i) => i % 2 === 0),
        values(x),
      );
      t.same(
        values(both).filter((_, i) => i % 2 === 1),
        values(y),
      );
      const at = per_step ? 5 : 1;
      for (const name of ['last_value', 'drift', 'seasonal_naive', 'season_mean'] as const) {
        const naive = [...(both.test.naive?.[name]?.(at) ?? [])];
        t.ok(naive.length > 0);
        t.same(
          [0, 1].map(k => naive.filter((_, i) => i % 2 === k)),
          [x, y].map(one => [...(one.test.naive?.[name]?.(at) ?? [])]),
          name,
        );
      }
    }
  }

  const data = { ...rest, path, known: ['k'], target: ['x', 'y'] };
  const { summary } = await train(
    work,
    config(
      data,
      { kind: 'quantile', quantiles: [0.1, 0.5, 0.9] },
      { cell: 'gru', hidden_size: 4 },
      { num_epochs: 1, batch_size: 8, metrics: ['mase', 'mean_absolute_error'] },
    ),
  );
  const predict = async (...flags: string[]) =>
    (await work.cellrun('predict', summary.directory, '--split', 'test', ...flags)).stdout;
  const told = linesOf(await predict()) as unknown as Record<
    'predicted' | 'target',
    { x: number; y: number }[]
  >[];
  const errors = (key: 'x' | 'y') =>
    told.map(
      ({ predicted, target }) =>
        predicted.reduce((sum, one, h) => sum + Math.abs(one[key] - target[h][key]), 0) / predicted.length,
    );
  const mean = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0) / numbers.length;
  const { test } = summary.metrics;
  t.ok(closeTo(test!.mean_absolute_error!, mean([...errors('x'), ...errors('y')]), 1e-5));
  const opened = await open({ ...data, season: undefined } as ForecastConfig);
  const scaled = told.flatMap((_, i) => {
    const [x, y] = opened.test.errorScale!(i)!;
    return [errors('x')[i] / x, errors('y')[i] / y];
  });
  t.ok(closeTo(test!.mase!, mean(scaled), 1e-5));
  t.match(
    await predict('--format', 'csv'),
    /^index,id,step,(?:time,)?predicted_x,predicted_y,quantile_0\.1_x,/,
  );
  t.match(await predict('--format', 'chart', '--limit', '1'), /forecast of x (?:.*\n)*.*forecast of y /);
  const input = await work.cellrun('evaluate', summary.directory, '--input', path, '--json');
  t.equal(input.code, 0, input.stderr);
  const back = await work.cellrun('evaluate', summary.directory, '--backtest', '--json');
  t.equal(back.code, 0, back.stderr);
});

t.test('evaluation.json has the forecasts that `predict` prints', async t => {
  for (const per_step of [false, true]) {
    const rows = Array.from({ length: 120 }, (_, i) => {
      const day = new Date(Date.UTC(2024, 0, 1 + (i % 60))).toISOString().slice(0, 10);
      return `${day},${i < 60 ? 'a' : 'b'},${(i * 7) % 11},${100 + ((i * i) % 13)}`;
    });
    const dataset = {
      ...{ kind: 'forecast', path: work.file('drawn.csv', ['day,s,x,y', ...rows].join('\n')) },
      ...{
        target: ['x', 'y'],
        series: 's',
        time: 'day',
        input_steps: 5,
        horizon: 3,
        test_fraction: 0.25,
        per_step,
      },
    };
    const model = { cell: 'gru', hidden_size: 4, ...(per_step && { head: { from: 'every' } }) };
    const loss = { kind: 'quantile', quantiles: [0.9, 0.5, 0.1] };
    const { summary } = await train(work, config(dataset, loss, model, { num_epochs: 1, batch_size: 8 }));
    const { forecasts }: ValueEvaluation = JSON.parse(
      readFileSync(join(summary.directory, 'evaluation.json'), 'utf8'),
    );
    const { stdout } = await work.cellrun('predict', summary.directory, '--split', 'test');
    type Values = Record<'x' | 'y', number>[];
    const told = linesOf(stdout) as unknown as {
      readonly id: string;
      readonly predicted: Values;
      readonly target: Values;
      readonly quantiles: Record<'0.1' | '0.9', Record<'x' | 'y', number>>[];
    }[];
    t.same(forecasts?.quantiles, [0.1, 0.9]);
    const byTarget = ['x', 'y'] as const;
    const linesOfWindow = ({ predicted, target, quantiles }: (typeof told)[number], key: 'x' | 'y') => ({
      actual: target.map(one => one[key]),
      predicted: predicted.map(one => one[key]),
      lower: quantiles.map(one => one['0.1'][key]),
      upper: quantiles.map(one => one['0.9'][key]),
    });
    // 15 days of each series are 13 windows; every third begins where one ends
    const each = ['a', 'b'].map(name =>
      told.filter(({ id }) => id.startsWith(`${name} `)).filter((_, i) => i % 3 === 0),
    );
    const want = each.flatMap((windows, i) =>
      byTarget.map(key => {
        const all = windows.map(window => linesOfWindow(window, key));
        const list = (of: 'actual' | 'predicted' | 'lower' | 'upper') => all.flatMap(line => line[of]);
        return {
          ...{ series: 'ab'[i], target: key, actual: list('actual'), predicted: list('predicted') },
          ...{ lower: list('lower'), upper: list('upper') },
        };
      }),
    );
    t.same(
      forecasts?.series.map(({ times, ...line }) => line),
      want,
    );
    t.equal(forecasts?.series[0].times.length, 15);
    t.match(forecasts?.series[0].times, { 0: '2024-02-15', 14: '2024-02-29' });

    const full = { ...dataset, stride: 1, delimiter: ',', normalize: 'standard' };
    const opened = await open(full as unknown as ForecastConfig);
    const errors = told.map((window, i) => {
      const scales = opened.test.errorScale!(i)!;
      const of = byTarget.map((key, k) => {
        const { actual, predicted } = linesOfWindow(window, key);
        return actual.reduce((sum, y, h) => sum + Math.abs(y - predicted[h]), 0) / 3 / scales[k];
      });
      return { window, error: (of[0] + of[1]) / 2, history: [...opened.test.history!(i)] };
    });
    const apart = new Set(each.flat());
    const worst = errors
      .filter(({ window }) => apart.has(window))
      .toSorted((a, b) => b.error - a.error)
      .slice(0, 6);
    t.same(
      forecasts?.windows.map(({ times, ...line }) => line),
      worst.flatMap(({ window, history }) =>
        byTarget.map((key, k) => ({
          ...{ id: window.id, target: key, history: history.filter((_, i) => i % 2 === k) },
          ...linesOfWindow(window, key),
        })),
      ),
    );
    t.same(taskReportOf(buildRunReport(summary.directory), 'value').forecasts, forecasts);
  }
});
