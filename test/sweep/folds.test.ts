/** `folds`: cross-validation as the runs of a sweep, and their out-of-fold predictions. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { validateAgainst } from '../../src/config/schema/validate.js';
import type { Summary } from '../../src/run/summary.js';
import type { Task } from '../../src/sweep/segment.js';
import { buildReport, renderPage } from '../../src/view/report.js';
import { buildSweepReport } from '../../src/view/sweep-report.js';
import { chromiumMissing, openPage, startChromium } from '../support/browser.js';
import { jsonLines, onlyIn } from '../support/cli.js';
import { sweepInProcess } from '../support/sweeps.js';
import { work } from '../support/work.js';

const SUBJECTS = 6;

/** 36 sequences of 3 steps: two classes, six subjects. */
const rows = Array.from({ length: 36 }, (_, i) =>
  [0, 1, 2].map(
    step => `q${i},s${i % SUBJECTS},${step},${Math.sin(9 * i + step) + (i % 2)},${i % 2 ? 'x' : 'y'}`,
  ),
).flat();
const path = work.file('rows.csv', `id,subject,t,a,label\n${rows.join('\n')}\n`);
const config = {
  name: 'folded',
  seed: 4,
  dataset: {
    kind: 'csv',
    path,
    features: ['a'],
    target: 'label',
    target_kind: 'class',
    sequence: { group: 'id', order: 't' },
    normalize: 'standard',
    test_fraction: 0.2,
    validation: { fraction: 0.25 },
  },
  model: { cell: 'gru', hidden_size: 3 },
  optimizer: { kind: 'adam', learning_rate: 0.05 },
  training: { num_epochs: 2, batch_size: 8 },
};

const synthetic = { kind: 'synthetic', problem: 'adding', sequence_length: 4, train_size: 9, test_size: 3 };

const json = (...parts: string[]) => JSON.parse(readFileSync(join(...parts), 'utf8'));

interface Line {
  readonly fold: number;
  readonly id: string;
  readonly predicted: number;
  readonly label: number;
}

const linesIn = (text: string): Line[] => jsonLines(text);
const predictions = (directory: string) => readFileSync(join(directory, 'predictions.jsonl'), 'utf8');
const subjectOf = (id: string) => Number(id.slice(1)) % SUBJECTS;

/** The names of the sequences in a split of a run. */
async function namesIn(run: string, split: string): Promise<string[]> {
  const { stdout } = await work.cellrun('predict', run, '--split', split);
  return linesIn(stdout).map(({ id }) => id);
}

/** `run` with these folds. */
async function folded(folds: object, more: object = {}) {
  const output = work.folder();
  const ended = await work.cellrun('run', work.config({ ...config, ...more, folds }), '--output', output);
  return { ...ended, directory: onlyIn(output, 'sweeps', 'folded') };
}

/** A sweep of one trial with these folds, which is what `run` makes of them. */
const sweepOf = (folds: object, more: object = {}) =>
  work.sweep({ name: 'folded', base: work.config({ ...config, ...more, folds }) });
/** Its directory, once its runs have trained in this process. */
const trained = (folds: object, more?: object) => sweepInProcess(work, sweepOf(folds, more), work.folder());

/** Cross-validations that several tests compare with. */
const straight = await folded({ count: 3 });
const withFinal = await folded({ count: 3, final: true });

t.test('each sequence is predicted by the run that did not see it', async t => {
  const output = work.folder();
  const flags = ['--folds', '3', '--parallel', '2', '--output', output];
  const { code, stdout } = await work.cellrun('run', work.config(config), ...flags);
  t.equal(code, 0);
  const directory = onlyIn(output, 'sweeps', 'folded');
  const trials = join(directory, 'trials');
  t.same(readdirSync(trials), ['t0000-f1', 't0000-f2', 't0000-f3']);
  t.equal(json(directory, 'plan.json').parallel, 2);
  const lines = linesIn(predictions(directory));
  t.equal(new Set(lines.map(({ id }) => id)).size, 36, 'each sequence once');
  const accuracies: number[] = [];
  for (const fold of [1, 2, 3]) {
    const run = join(trials, `t0000-f${fold}`);
    const own = lines.filter(line => line.fold === fold);
    t.equal(own.length, 12);
    t.equal(own.filter(({ label }) => label === 0).length, 6, 'stratified');
    const { stdout } = await work.cellrun('predict', run);
    t.same(
      own.map(({ fold: _, ...line }) => line),
      linesIn(stdout),
      'as the run predicts its test split',
    );
    const seen = [...(await namesIn(run, 'train')), ...(await namesIn(run, 'validation'))];
    t.notOk(
      own.some(({ id }) => seen.includes(id)),
      'not in training',
    );
    // the scaling is that of the training split alone
    const values = rows.map(row => row.split(',')).filter(([id]) => seen.slice(0, 18).includes(id));
    const numbers = values.map(([, , , a]) => Number(a));
    const mean = numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
    const [found] = json(run, 'manifest.json').scaling.features.offset;
    t.ok(Math.abs(found - mean) < 1e-6, `the mean ${found} for ${mean}`);
    accuracies.push(((json(run, 'summary.json') as Summary).metrics.test as { accuracy: number }).accuracy);
  }
  const right = lines.filter(({ predicted, label }) => predicted === label).length / 36;
  const { sequences, metrics } = json(directory, 'out_of_fold.json');
  t.equal(sequences, 36);
  t.match(metrics, [{ metric: 'test.accuracy', value: right }]);
  const report = buildSweepReport(directory);
  t.equal(report.folds, 3);
  t.match(report.out_of_fold, {
    over: 'over 36 sequences',
    metrics: [{ metric: 'test.accuracy', mean: right, interval: metrics[0].interval }],
  });
  const [a, b, c] = accuracies;
  const summary = json(directory, 'summary.json').metrics;
  const accuracy = summary.find(({ metric }: { metric: string }) => metric === 'test.accuracy');
  t.same(accuracy.by_fold, { 1: a, 2: b, 3: c });
  const mean = (a + b + c) / 3;
  const variance = ((a - mean) ** 2 + (b - mean) ** 2 + (c - mean) ** 2) / 2;
  // Student's t for two degrees of freedom, with half as many tested as training sequences
  const half = 4.302652729696 * Math.sqrt(variance * (1 / 3 + 1 / 2));
  t.ok(Math.abs(accuracy.interval.high - Math.min(1, mean + half)) < 1e-9);
  t.ok(Math.abs(accuracy.interval.low - Math.max(0, mean - half)) < 1e-9);
  t.match(stdout, /\nmetric +mean of 3 folds +spread +95 % interval/);
  t.match(stdout, /\nmetric +over 36 sequences +95 % interval\ntest\.accuracy /);
});

t.test('leave_one_out has a fold for each group, and no group is in two splits', async t => {
  const { directory, code } = await folded({ by: 'leave_one_out', group: 'subject' });
  t.equal(code, 0);
  const trials = join(directory, 'trials');
  t.equal(readdirSync(trials).length, SUBJECTS);
  for (const line of linesIn(predictions(directory))) t.equal(subjectOf(line.id), line.fold - 1);
  const run = join(trials, 't0000-f2');
  const subjects = [];
  for (const split of ['train', 'validation', 'test'])
    subjects.push([...new Set((await namesIn(run, split)).map(subjectOf))]);
  const all = subjects.flat();
  t.equal(new Set(all).size, all.length, 'whole groups');
  t.equal(all.length, SUBJECTS);
});

t.test('folds of groups', async t => {
  const { directory } = await folded({ count: 3, by: 'group', group: 'subject' });
  const folds = new Map<number, Set<number>>();
  for (const { id, fold } of linesIn(predictions(directory)))
    folds.set(subjectOf(id), (folds.get(subjectOf(id)) ?? new Set()).add(fold));
  t.ok([...folds.values()].every(({ size }) => size === 1));
});

t.test('a cross-validation that stops goes on to the same predictions', async t => {
  const file = sweepOf({ count: 3 });
  const output = work.folder();
  const stopping = async ({ fold, args }: Task) => {
    if (fold !== 2) return;
    await work.cellrun(...args.with(args.indexOf('--pause-after-epoch') + 1, '1'));
    throw new Error('stopped');
  };
  await t.rejects(sweepInProcess(work, file, output, stopping), { message: 'stopped' });
  const directory = onlyIn(output, 'sweeps', 'folded');
  t.match(await work.cellrun('sweep', 'resume', directory), { code: 0 });
  t.equal(predictions(directory), predictions(straight.directory));
  t.same(json(directory, 'out_of_fold.json'), json(straight.directory, 'out_of_fold.json'));
});

t.test('the final model is trained on all data for the median of the steps that the folds chose', async t => {
  const { directory, code, stdout, stderr } = withFinal;
  t.equal(code, 0);
  t.match(stderr, /^all data: trained for \d epochs?$/m);
  const final = join(directory, 'final');
  t.match(stdout, `\nThe final model is trained on all data for`);
  const kept = [1, 2, 3].map(fold => {
    const summary: Summary = json(directory, 'trials', `t0000-f${fold}`, 'summary.json');
    return summary.restored?.step ?? summary.steps;
  });
  const summary: Summary = json(final, 'summary.json');
  t.equal(summary.steps, kept.sort((a, b) => a - b)[1]);
  t.same(summary.metrics.test, {});
  t.equal(json(directory, 'summary.json').final, final);
  const schemas = { summary: ['summary.json'], manifest: ['manifest.json'], evaluation: ['evaluation.json'] };
  for (const [schema, [file]] of Object.entries(schemas))
    t.same(validateAgainst(schema, json(final, file)), []);
  const logged = readFileSync(join(final, 'log.jsonl'), 'utf8').trim().split('\n');
  for (const line of logged) t.same(validateAgainst('log-event', JSON.parse(line)), [], line);
  t.equal((await namesIn(final, 'train')).length, 36);
  // the scaling is that of all data
  const numbers = rows.map(row => Number(row.split(',')[3]));
  const mean = numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
  const [found] = json(final, 'manifest.json').scaling.features.offset;
  t.ok(Math.abs(found - mean) < 1e-6, `the mean ${found} for ${mean}`);
  const predicted = await work.cellrun('predict', directory, '--input', path);
  t.equal(linesIn(predicted.stdout).length, 36);
  t.equal(predicted.stdout, (await work.cellrun('predict', final, '--input', path)).stdout);
  t.match(await work.cellrun('evaluate', directory), { code: 2, stderr: /this run has no test split/ });
  const folds =
    /has a run for each fold\n.*expected: the run on all data: .*final; the run of one fold: .*t0000-f1/;
  t.match(await work.cellrun('resume', directory), { code: 2, stderr: folds });
  const explained = await work.cellrun('explain', directory, '--split', 'train', '--repeats', '1');
  t.match(explained, { code: 0, stdout: /^36 sequences of the train split/, stderr: `the run ${final}\n` });
  t.ok(existsSync(join(final, 'explanation.json')));
  const several = await work.cellrun('explain', straight.directory);
  t.match(several, { code: 2, stderr: /a run for each fold\n.*expected: the run of one fold: / });
  const exported = await work.cellrun('export', directory, '--format', 'js', '--output', work.folder());
  t.match(exported.stderr, /the predictions of 36 training sequences are equal/);
  t.match(await work.cellrun('report', final), { code: 0 });
  const plain = straight.directory;
  t.equal(predictions(directory), predictions(plain), 'the folds do not depend on it');
  const { sides } = JSON.parse((await work.cellrun('compare', directory, plain, '--json')).stdout);
  t.match(sides, [{ folds: [1, 2, 3] }, { folds: [1, 2, 3] }]);
});

/** What a threshold is chosen for: the F1 of some decisions. */
function f1(cases: readonly (readonly [probability: number, isPositive: boolean])[], threshold: number) {
  const right = cases.filter(([p, isPositive]) => p >= threshold && isPositive).length;
  const wrong = cases.filter(([p, isPositive]) => p >= threshold !== isPositive).length;
  return (2 * right) / (2 * right + wrong);
}

t.test('the folds together decide at the threshold that is best out of fold', async t => {
  const labelled = rows.map((row, i) => `${row},${Number(i % 9 < 3)},${Number(i % 12 < 3)}`);
  const table = work.file('labels.csv', `id,subject,t,a,label,one,two\n${labelled.join('\n')}\n`);
  const dataset = { ...config.dataset, path: table };
  const threshold = { for: 'f1' };
  const labels = { ...dataset, target: ['one', 'two'], target_kind: 'value', normalize: undefined };
  const ofLabels = { dataset: labels, loss: { kind: 'binary_cross_entropy' }, threshold };
  for (const more of [{ dataset, threshold }, ofLabels]) {
    const { directory, stdout } = await folded({ count: 3 }, more);
    const found = json(directory, 'out_of_fold.json');
    t.same(validateAgainst('out-of-fold', found), []);
    const thresholds: number[] = found.thresholds;
    const name = thresholds.length === 1 ? 'threshold' : 'thresholds';
    t.match(stdout, `Fitted for the folds together: ${name} ${Number(thresholds[0].toPrecision(4))}`);
    const probabilitiesIn = ({ probabilities, predicted }: Record<string, unknown>): number[] =>
      probabilities ? [(probabilities as number[])[1]] : Object.values(predicted as object);
    const truthIn = ({ label, target }: Record<string, unknown>): number[] =>
      label === undefined ? Object.values(target as object) : [Number(label)];
    const decidedIn = ({ predicted, applies }: Record<string, unknown>): number[] =>
      applies ? Object.values(applies).map(Number) : [Number(predicted)];
    const lines: Record<string, unknown>[] = jsonLines(predictions(directory));
    const decide = (of: readonly number[], at: readonly number[]) => of.map((p, i) => Number(p >= at[i]));
    for (const line of lines) {
      const own = json(directory, 'trials', `t0000-f${line.fold}`, 'confidence.json').thresholds;
      t.same(decidedIn(line), decide(probabilitiesIn(line), own), 'a fold decides at its own');
    }
    for (const [i, chosen] of thresholds.entries()) {
      const cases = lines.map(line => [probabilitiesIn(line)[i], truthIn(line)[i] === 1] as const);
      const all = [0, ...cases.flatMap(([p]) => [p, p + 1e-9])].map(one => f1(cases, one));
      t.equal(f1(cases, chosen), Math.max(...all), 'no threshold has a larger F1');
      t.not(f1(cases, chosen), f1(cases, 0.5), 'nor has 0.5');
    }
    const { stdout: together } = await work.cellrun('predict', directory, '--input', table);
    const answers: Record<string, unknown>[] = jsonLines(together);
    t.equal(answers.length, 36);
    for (const one of answers) t.same(decidedIn(one), decide(probabilitiesIn(one), thresholds));
    const atHalf = (one: Record<string, unknown>) => decide(probabilitiesIn(one), [0.5, 0.5]);
    t.notSame(answers.map(decidedIn), answers.map(atHalf));
    const truths = new Map(lines.map(line => [line.id, truthIn(line)]));
    const hits = answers.flatMap(one => decidedIn(one).map((k, i) => Number(k === truths.get(one.id)?.[i])));
    const evaluated = await work.cellrun('evaluate', directory, '--input', table, '--json');
    const { accuracy } = JSON.parse(evaluated.stdout).metrics.input;
    t.ok(Math.abs(accuracy - hits.reduce((sum, hit) => sum + hit, 0) / hits.length) < 1e-9);
    const output = work.folder();
    await work.cellrun('export', directory, '--format', 'js', '--ensemble', '--output', output);
    const model = await import(join(output, 'model.js'));
    const [answer] = (await model.predict([0, 1, 2].map(row => [Number(rows[row].split(',')[3])])))
      .predictions;
    t.same(decidedIn(answer), decidedIn(answers.find(({ id }) => id === 'q0') ?? {}), 'so does the module');
    const runs = [1, 2].map(fold => join(directory, 'trials', `t0000-f${fold}`));
    const some = await work.cellrun('predict', ...runs, '--input', table);
    t.match(some.stderr, /^warning: the thresholds of these runs do not hold for their mean/);
    for (const one of jsonLines(some.stdout))
      if (one.probabilities) t.same(decidedIn(one), atHalf(one));
      else t.notOk('applies' in one);
    const foundFile = join(directory, 'out_of_fold.json');
    for (const damage of [{ thresholds: ['abc'] }, { thresholds: [-5] }, { version: 99 }]) {
      writeFileSync(foundFile, JSON.stringify({ ...found, ...damage }));
      const { code, stderr } = await work.cellrun('predict', directory, '--input', table);
      t.match(stderr, `out_of_fold.json: this is not a valid out-of-fold file: /${Object.keys(damage)}`);
      t.equal(code, 5);
    }
    writeFileSync(foundFile, JSON.stringify({ ...found, thresholds: undefined }));
    const early = await work.cellrun('predict', directory, '--input', table);
    t.match(early, { code: 2, stderr: /the folds have no threshold yet: .*\n.* sweep resume / });
    t.equal((await work.cellrun('sweep', 'resume', directory)).code, 0);
    t.same(json(directory, 'out_of_fold.json'), found);
  }
});

t.test('the folds of a series follow each other, and the final model forecasts what comes next', async t => {
  const days = Array.from({ length: 64 }, (_, i) => new Date(864e5 * i).toISOString().slice(0, 10));
  const lines = days.map((day, i) => `${day},${Math.sin(i) + (i % 7)}`);
  const dataset = {
    ...{ kind: 'forecast', path: work.file('days.csv', `day,y\n${lines.join('\n')}\n`), target: 'y' },
    ...{ time: 'day', input_steps: 4, horizon: 3, validation: { count: 6 }, test_fraction: 0.2 },
  };
  const folds = { count: 3, by: 'time', final: true };
  const { directory } = await folded(folds, { dataset, loss: { kind: 'mse' } });
  const times = (fold: number) =>
    jsonLines(predictions(directory))
      .filter(line => line.fold === fold)
      .map(({ time }) => time);
  for (const fold of [1, 2, 3]) {
    const first = 16 * fold;
    // windows of three days within 16 days
    t.same(
      times(fold),
      [...Array(14).keys()].map(i => days.slice(first + i, first + i + 3)),
    );
  }
  const { metrics, sequences } = json(directory, 'out_of_fold.json');
  t.equal(sequences, 42);
  t.ok(metrics.length > 0);
  t.ok(metrics.every(({ interval }: { interval: unknown }) => interval === null));
  const { stdout } = await work.cellrun('predict', directory);
  t.same(JSON.parse(stdout).time, ['1970-03-06', '1970-03-07', '1970-03-08']);
});

/** 30 sequences whose days are in another order than the file; those of a subject recur. */
const visits = Array.from({ length: 30 }, (_, i) => (7 * i) % 30).flatMap(day =>
  [0, 1].map(
    step =>
      `v${day},s${day % SUBJECTS},${step},${86400 * day + step},${-86400 * day + step},${Math.sin(day + step)},${day % 2 ? 'x' : 'y'}`,
  ),
);
const ofVisits = (order: string, more: object = {}) => ({
  dataset: {
    ...config.dataset,
    path: work.file('visits.csv', `id,subject,step,unix,back,a,label\n${visits.join('\n')}\n`),
    sequence: { group: 'id', order },
    ...more,
  },
});

t.test('folds by numbers that are times', async t => {
  const folds = { count: 2, by: 'time' };
  const directory = await trained(folds, ofVisits('unix'));
  const daysIn = async (fold: number, split: string) => {
    const names = await namesIn(join(directory, 'trials', `t0000-f${fold}`), split);
    return names.map(id => Number(id.slice(1))).sort((a, b) => a - b);
  };
  const days = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
  // TimeSeriesSplit(2) of scikit-learn for 30 days; a quarter of the training part for validation
  for (const [fold, trainEnd, end] of [
    [1, 7, 10],
    [2, 15, 20],
  ]) {
    t.same(await daysIn(fold, 'train'), days(0, trainEnd));
    t.same(await daysIn(fold, 'validation'), days(trainEnd, end), 'the latest part');
    t.same(await daysIn(fold, 'test'), days(end, end + 10));
  }
  const apart = await trained(folds, ofVisits('back'));
  const others = await trained(folds, ofVisits('unix', { normalize: 'none' }));
  const compared = async (...sides: string[]) =>
    JSON.parse((await work.cellrun('compare', ...sides, '--json')).stdout).metrics[0].comparisons;
  t.match(await compared(directory, apart), [{ paired: false }], 'other days in each fold');
  t.match(await compared(directory, others), [{ paired: true, test: { name: 'corrected_t' } }]);
});

t.test('warnings of folds by time', async t => {
  const training = { num_epochs: 2, batch_size: 4 };
  const warned = async (folds: object, more: object) =>
    (await work.cellrun('validate', work.config({ ...config, ...more, training, folds }))).stderr;
  const time = { count: 2, by: 'time' };
  t.equal(await warned(time, ofVisits('unix', { test_fraction: undefined })), '');
  const unknown = await warned(time, ofVisits('step'));
  t.equal(unknown.match(/warning: most sequences start before any has ended in "step"/g)?.length, 1);
  t.equal(await warned({ count: 2 }, ofVisits('step')), '', 'drawn folds need no times');
  // groups 0 and 1 are before the first fold, and 1 is for validation: days 0, 6, …, 24 are left
  const recurring = await warned({ ...time, group: 'subject' }, ofVisits('unix'));
  t.match(recurring, /4 of 5 training sequences begin after the first of the test split/);
  const random = { fraction: 0.2, select: 'random' };
  const given = await warned(time, ofVisits('step', { validation: random }));
  t.match(given, /most sequences/);
});

t.test('the report has the metrics over all folds', { skip: chromiumMissing() ?? false }, async t => {
  const browser = await startChromium();
  t.teardown(() => browser.close());
  const file = work.file('report.html', renderPage(buildReport(straight.directory)));
  const { page, said, close } = await openPage(browser, pathToFileURL(file).href, {});
  const text = await page.locator('article').textContent();
  t.match(text, /Metrics of all folds together.*over 36 sequences.*95 % interval from/s);
  t.match(text, /± over folds.*± over folds/s);
  t.notMatch(text, /over seeds/);
  await close();
  t.same(said, []);
});

t.test('a stopped final model resumes to the same weights', async t => {
  const file = sweepOf({ count: 3, final: true });
  const output = work.folder();
  const stopping = async ({ fold, args }: Task) => {
    if (fold !== 0) return;
    await work.cellrun(...args.with(args.indexOf('--pause-after-epoch') + 1, '1'));
    throw new Error('stopped');
  };
  await t.rejects(sweepInProcess(work, file, output, stopping), { message: 'stopped' });
  const directory = onlyIn(output, 'sweeps', 'folded');
  t.match(await work.cellrun('sweep', 'resume', directory), { code: 0 });
  const weights = (of: string) => {
    const folder = join(of, 'final', 'checkpoints');
    return readdirSync(folder).map(name => [name, readFileSync(join(folder, name), 'base64')]);
  };
  t.same(weights(directory), weights(withFinal.directory));
});

t.test('a final model that fails leaves the predictions of the folds', async t => {
  const output = work.folder();
  const stopping = async ({ fold }: Task) => {
    if (fold === 0) throw new Error('stopped');
  };
  const file = sweepOf({ count: 3, final: true });
  await t.rejects(sweepInProcess(work, file, output, stopping), { message: 'stopped' });
  const directory = onlyIn(output, 'sweeps', 'folded');
  // where its run directory would be
  writeFileSync(join(directory, 'final'), '');
  const { code, stderr } = await work.cellrun('sweep', 'resume', directory);
  t.not(code, 0);
  t.match(stderr, /final/);
  t.equal(predictions(directory), predictions(straight.directory));
});

t.test('gates and comparisons of folds', async t => {
  const gates = [
    { metric: 'test.accuracy', over: 'folds', min: 0 },
    { metric: 'test.accuracy', over: 'interval', min: 0.99 },
  ];
  const output = work.folder();
  const file = work.config({ ...config, gates, folds: { count: 3 } });
  const { code, stdout } = await work.cellrun('run', file, '--output', output);
  t.equal(code, 3);
  t.match(stdout, /Gate test\.accuracy over folds passed: .*\nGate test\.accuracy over interval failed: /);
  const directory = onlyIn(output, 'sweeps', 'folded');
  const review = await work.cellrun('review', directory, '--gate', 'test.accuracy >= 0 over seeds');
  t.match(review.stdout, /these runs are folds, not seeds/);
  const slow = await trained({ count: 3 }, { optimizer: { kind: 'adam', learning_rate: 0.001 } });
  const compare = async (...sides: string[]) =>
    JSON.parse((await work.cellrun('compare', ...sides, '--json')).stdout);
  const { sides, metrics } = await compare(directory, slow);
  t.match(sides, [{ folds: [1, 2, 3] }, { folds: [1, 2, 3] }]);
  t.match(metrics[0].comparisons, [{ paired: true, n: 3, test: { name: 'corrected_t' } }]);
  const other = await trained({ count: 3 }, { dataset: { ...config.dataset, seed: 1 } });
  const apart = await compare(directory, other);
  t.match(apart.metrics[0].comparisons, [{ paired: false, test: { name: 'mann_whitney' } }]);
  t.match(apart.notes, [/B and A are not tested on the same folds, so their values are not paired/]);
});

t.test('a sweep compares its trials by the mean over the folds', async t => {
  const file = work.config({ ...config, folds: { count: 2 } });
  const output = work.folder();
  const rates = 'optimizer.learning_rate=0.05,0.001';
  const { code, stdout } = await work.cellrun('sweep', file, rates, '--output', output);
  t.equal(code, 0);
  t.match(stdout, /mean of 2 folds/);
  const directory = onlyIn(output, 'sweeps', 'folded');
  t.same(readdirSync(join(directory, 'trials')), ['t0000-f1', 't0000-f2', 't0001-f1', 't0001-f2']);
  t.equal(linesIn(predictions(directory)).length, 36);

  // after a bad fold, a trial is not trained on the next one
  const few = work.folder();
  const pruned = await work.cellrun(
    ...['sweep', file, 'optimizer.learning_rate=0.05,1e-9', '--pruner', '{ kind: folds, margin: 0 }'],
    ...['--objective', 'train.loss:min', '--output', few],
  );
  t.match(pruned, { code: 0, stderr: /^trial 1: stopped after 1 of 2 folds$/m });
  const early = onlyIn(few, 'sweeps', 'folded');
  t.same(readdirSync(join(early, 'trials')), ['t0000-f1', 't0000-f2', 't0001-f1']);
  t.equal(linesIn(predictions(early)).length, 36);
  t.match(await work.cellrun('sweep', 'status', early), { code: 0, stdout: /pruned/ });
  t.match(await work.cellrun('report', early), { code: 0 });
  const alone = await work.cellrun('sweep', work.config(config), rates, '--pruner', '{ kind: folds }');
  t.match(alone, { code: 2, stderr: /fold by fold, but the configs have no `folds`/ });
});

t.test('folds that are not possible are refused with their place', async t => {
  const cases: [more: object, message: RegExp][] = [
    [{ folds: { by: 'stratified' } }, /folds have no number/],
    [{ folds: { count: 3, by: 'leave_one_out' } }, /`leave_one_out` has as many folds as there are groups/],
    [{ folds: { count: 3, by: 'group' } }, /`by: group` needs a column/],
    [{ folds: { count: 3, by: 'random', group: 'subject' } }, /random folds have no groups/],
    [{ folds: { count: 7, group: 'subject' } }, /there are fewer groups than folds/],
    [
      {
        folds: { count: 3, final: true },
        optimizer: { ...config.optimizer, schedule: { kind: 'plateau', factor: 0.5, patience: 1 } },
      },
      /the final model has no metrics that a `plateau` schedule could follow/,
    ],
    [
      { folds: { count: 3, final: true }, calibrate: true },
      /`calibrate` needs data that training does not see/,
    ],
    [
      { folds: { count: 3 }, gates: [{ metric: 'test.accuracy', over: 'seeds', min: 0 }] },
      /`folds`, whose runs have one seed, so this gate can never be judged/,
    ],
    [
      { gates: [{ metric: 'test.accuracy', over: 'folds', min: 0 }] },
      /no `folds`, so this gate can never be judged/,
    ],
    [{ folds: { count: 3 }, repeat: 2 }, /`repeat` and `folds` cannot be combined/],
    [
      { folds: { count: 3 }, dataset: synthetic, loss: { kind: 'mse' } },
      /`dataset\.kind: synthetic` cannot be divided into folds/,
    ],
    [
      {
        folds: { count: 3, by: 'random' },
        dataset: { kind: 'forecast', path, target: 'a', input_steps: 2, horizon: 1, test_fraction: 0.2 },
        loss: { kind: 'mse' },
      },
      /the folds of a series follow each other in time/,
    ],
    [
      { folds: { count: 3 }, dataset: { ...config.dataset, test_fraction: undefined, test_path: path } },
      /`folds` divides the data of `path`, but the test split has a file of its own/,
    ],
  ];
  for (const [more, message] of cases) {
    const { code, stderr } = await work.cellrun('run', work.config({ ...config, ...more }));
    t.equal(code, 2);
    t.match(stderr, message);
  }
  const single = await work.cellrun('run', work.config(config), '--parallel', '2');
  t.match(single, { code: 2, stderr: /--parallel: the config has one run/ });
  const file = work.config({ ...config, folds: { count: 3 } });
  const { stderr } = await work.cellrun('sweep', file, 'model.hidden_size=2,3', '--seeds', '0,1');
  t.match(stderr, /`seeds` cannot be used with `folds`/);
});
