/**
 * Reports of real runs and a real sweep in a real browser: what is on the page is what is in the
 * files.
 */
import { appendFileSync, cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse } from 'csv-parse/sync';
import type { Locator, Page } from 'playwright-core';
import t from 'tap';
import type { Summary } from '../../src/run/summary.js';
import type { SweepSummary } from '../../src/sweep/results.js';
import { capital } from '../../src/util/numbers.js';
import { buildReport, renderPage } from '../../src/view/report.js';
import {
  attributes,
  cellsOf,
  checkLooks,
  chromiumMissing,
  type Look,
  type OpenPage,
  openPage,
  part,
  startChromium,
  valuesIn,
} from '../support/browser.js';
import { type LogLine, type RunSummary, readLog } from '../support/cli.js';
import {
  classesConfig,
  EVALUATION,
  HOSTILE,
  readJson,
  SEQUENCES,
  trainInto,
  trainSweep,
  valuesConfig,
  withEvaluation,
} from '../support/report-runs.js';
import { work } from '../support/work.js';

const output = work.folder();

const values = valuesConfig(work);
const classRun = await trainInto(work, output, classesConfig(work), '--set', 'training.batch_size=12');
const valueRun = await trainInto(work, output, values);
const divergedRun = await trainInto(work, output, {
  ...values,
  training: { ...values.training, max_skipped_batches: 0 },
});
const textRun = await trainInto(work, `${output}-text`, {
  dataset: {
    kind: 'text',
    path: work.file('book.txt', 'The quick brown fox\njumps over\tthe lazy dog. '.repeat(30)),
    level: 'character',
    sequence_length: 10,
    test_fraction: 0.2,
  },
  model: { cell: 'gru', hidden_size: 4, head: { from: 'every' }, embedding: { size: 4 } },
  training: { num_epochs: 1, batch_size: 10 },
  gates: [{ metric: 'test.loss', beats: 'trivial', by: 9 }],
});
const sweepDirectory = await trainSweep(work, output, 6);

/** The address of the page of `path`. */
function reportOf(path: string): string {
  return pathToFileURL(work.file('report.html', renderPage(buildReport(path)))).href;
}

t.test('in a browser', { skip: chromiumMissing() ?? false, timeout: 600_000 }, async t => {
  const browser = await startChromium();
  t.teardown(() => browser.close());
  const files = {
    classes: reportOf(withEvaluation(work, classRun)),
    sequences: reportOf(withEvaluation(work, classRun, SEQUENCES)),
    values: reportOf(valueRun),
    diverged: reportOf(divergedRun),
    sweep: reportOf(sweepDirectory),
    index: reportOf(output),
    text: reportOf(textRun),
  };
  type Name = keyof typeof files;
  const open = (name: Name, look?: Look): Promise<OpenPage> => openPage(browser, files[name], look);
  const opened = new Map<Name, Promise<OpenPage>>();
  /**
   * A page that tests read together: they may open details and check boxes, and leave cursor and
   * zoom as they are.
   */
  const shared = async (name: Name): Promise<Page> => {
    if (!opened.has(name)) opened.set(name, open(name));
    const { page } = await (opened.get(name) as Promise<OpenPage>);
    return page;
  };

  t.test('a run: its metrics, its gates, its config, its checkpoints', async t => {
    for (const [name, directory] of [
      ['classes', classRun],
      ['values', valueRun],
      ['diverged', divergedRun],
    ] as const) {
      const page = await shared(name);
      const summary = readJson<Omit<RunSummary, 'gates'> & { gates: GateInFile[]; message?: string }>(
        directory,
        'summary.json',
      );
      t.match(await textOf(page.locator('h1 .badge')), BADGES[name], name);
      const expected = Object.entries(summary.metrics).flatMap(([split, metrics]) =>
        Object.entries(metrics)
          .filter(([metric]) => !metric.endsWith('_nonfinite'))
          .map(([metric, value]) => [`${split}.${metric}`, value]),
      );
      const shown = await tilesOf(page);
      if (summary.best) t.equal(shown.best, summary.best.value);
      const { best, ...rest } = shown;
      t.same(rest, Object.fromEntries(expected), name);
      const problems = await page.locator('.alert p').allInnerTexts();
      t.same(problems.slice(0, 1), summary.message === undefined ? [] : [capital(summary.message)]);
      const missed = summary.gates.filter(({ verdict }) => verdict === 'failed');
      for (const { origin } of missed) t.ok(problems.join().includes(`(${origin})`), origin);
      t.equal(missed.length, name === 'classes' ? 1 : 0);
      const index = existsSync(join(directory, 'checkpoints', 'index.json'))
        ? readJson<{ checkpoints: { file: string; step: number }[] }>(directory, 'checkpoints', 'index.json')
            .checkpoints
        : [];
      const rows = await cellsOf(part(page, 'Checkpoints').locator('tbody tr'));
      t.same(
        rows.map(([file, step]) => [file.split(' ')[0], Number(step)]),
        index.map(({ file, step }) => [`checkpoints/${file}`, step]),
      );
    }
  });

  t.test('trivial baselines below the metrics of the run', async t => {
    const page = await shared('classes');
    const { metrics, baselines } = readJson<Pick<Summary, 'metrics' | 'baselines'>>(classRun, 'summary.json');
    const rows = await cellsOf(part(page, 'Trivial baselines').locator('tbody tr'));
    t.same(
      rows.map(([name]) => name),
      ['this run', 'majority'],
    );
    const majority = baselines?.test.majority ?? {};
    const names = Object.keys(majority).sort();
    t.same(
      await valuesIn(part(page, 'Trivial baselines').locator('tbody td data')),
      [metrics.test, majority].flatMap(values => names.map(name => values[name])),
    );
  });

  t.test('gates show value, limit, verdict and line', async t => {
    const page = await shared('classes');
    const rows = await cellsOf(part(page, 'Gates').locator('tbody tr'));
    const { gates } = readJson<{ gates: GateInFile[] }>(classRun, 'summary.json');
    t.same(
      rows.map(([name, , required, verdict, place]) => [name, required, verdict.replace(/^\W+/, ''), place]),
      [
        ['test.accuracy', '>= 0', 'passed', gates[0].origin],
        ['test.loss', '<= 0.001', 'failed', gates[1].origin],
      ],
    );
    t.match(gates[1].origin, /config\.yaml:\d+:\d+$/);
    t.same(
      await valuesIn(part(page, 'Gates').locator('tbody td data')),
      gates.map(({ value }) => value),
    );
  });

  t.test('the config: changed values, overridden values, and all values', async t => {
    const page = await shared('classes');
    const config = part(page, 'Config');
    const keys = () => attributes(config.locator('tbody tr'), 'data-row');
    const row = async (key: string) => (await cellsOf(config.locator(`tr[data-row="${key}"]`)))[0];
    t.same(await row('training.batch_size'), ['training.batch_size', '12command line', '–']);
    t.same(await row('training.log_every'), ['training.log_every', '1', '–']);
    t.equal((await row('description'))[1], HOSTILE);
    t.notOk((await keys()).includes('training.shuffle'), 'a default is not shown');
    await config.getByRole('checkbox').check();
    t.same(await row('training.shuffle'), ['training.shuffle', 'true', 'true']);
  });

  t.test('curves: the tables contain every value of the log, including gaps', async t => {
    for (const [name, directory] of [
      ['classes', classRun],
      ['values', valueRun],
      ['diverged', divergedRun],
    ] as const) {
      const page = await shared(name);
      const log = readLog(directory);
      const losses = await tableOf(page, 'Loss');
      t.same(losses['train, each batch'], seriesIn(log, 'train.step', 'loss'), `${name}: loss of batches`);
      t.same(
        losses['train, mean of the epoch'] ?? {},
        seriesIn(log, 'train.epoch', 'loss'),
        `${name}: loss of epochs`,
      );
      t.same(losses.test ?? {}, seriesIn(log, 'eval', 'loss'), `${name}: test loss`);
      // the first step has no rate; nor has the one that diverged
      const measured = log.filter(line => 'samples_per_s' in line);
      const title = 'Samples per second';
      if (measured.length === 0) t.equal(await chart(page, title).count(), 0, name);
      else
        t.same(
          (await tableOf(page, title))[title.toLowerCase()],
          seriesIn(measured, 'train.step', 'samples_per_s'),
          name,
        );
      t.equal(await chart(page, 'Learning rate').count(), 0, 'it is the same all the time');
      if (name === 'classes')
        t.same((await tableOf(page, 'Accuracy')).test, seriesIn(log, 'eval', 'accuracy'));
    }
    t.ok(
      Object.values(seriesIn(readLog(valueRun), 'train.step', 'loss')).includes(null),
      'and one of them has gaps',
    );
  });

  t.test('one cursor for all charts, by pointer and by keyboard', async t => {
    const { page, close } = await open('classes');
    const log = readLog(classRun);
    const loss = chart(page, 'Loss');
    const box = await loss.locator('.over').boundingBox();
    if (box === null) throw new Error('the chart is not there');
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    // fifteen steps: the eighth is in the middle
    t.equal(await page.locator('output.step').getAttribute('data-cursor'), '8');
    t.match(await textOf(page.locator('output.step')), /^step 8, epoch 2$/);
    const legend = (name: string) => page.locator(`[data-series="${name}"] data`).getAttribute('value');
    const at = (field: string) =>
      String(log.find(({ event, step }) => event === 'train.step' && step === 8)?.[field]);
    t.equal(await legend('train.loss'), at('loss'));
    t.equal(await legend('grad_norm'), at('grad_norm'));
    t.equal(
      await page.locator('.plot .cursor').count(),
      await page.locator('.plot').count(),
      'in all charts',
    );
    await page.mouse.move(0, 0);
    t.equal(await page.locator('output.step').getAttribute('data-cursor'), '', 'it goes with the pointer');

    const slider = loss.getByRole('slider');
    await slider.focus();
    await page.keyboard.press('Home');
    t.equal(await page.locator('output.step').getAttribute('data-cursor'), '1');
    for (const key of ['ArrowRight', 'ArrowRight', 'ArrowLeft']) await page.keyboard.press(key);
    t.equal(await slider.getAttribute('aria-valuenow'), '2');
    t.match(await slider.getAttribute('aria-valuetext'), /^step 2: train, each batch \d/);
    await page.keyboard.press('End');
    t.equal(await slider.getAttribute('aria-valuenow'), '15');
    await page.keyboard.press('+');
    t.equal(await slider.getAttribute('aria-valuemin'), '8', 'half of the steps, the last one in its place');
    await page.keyboard.press('0');
    t.equal(await slider.getAttribute('aria-valuemin'), '1');
    await close();
  });

  t.test('a drag zooms all charts, a double click shows all, and the axis can be logarithmic', async t => {
    const { page, close } = await open('classes');
    const range = async (title: string) => {
      const slider = chart(page, title).getByRole('slider');
      return [
        Number(await slider.getAttribute('aria-valuemin')),
        Number(await slider.getAttribute('aria-valuemax')),
      ];
    };
    const before = await drawnIn(chart(page, 'Loss'));
    const over = chart(page, 'Gradient norm').locator('.over');
    await over.scrollIntoViewIfNeeded();
    const box = await over.boundingBox();
    if (box === null) throw new Error('the chart is not there');
    await page.mouse.move(box.x + box.width / 4, box.y + 50);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2, box.y + 60, { steps: 4 });
    await page.mouse.up();
    for (const title of ['Loss', 'Gradient norm', 'Accuracy']) {
      const [from, to] = await range(title);
      t.ok(Math.abs(from - 4.5) < 0.2 && Math.abs(to - 8) < 0.2, `${title}: ${from} to ${to}`);
    }
    t.not(await drawnIn(chart(page, 'Loss')), before, 'another drawing');
    await over.dblclick();
    t.same(await range('Loss'), [1, 15]);
    await page.mouse.move(0, 0);
    t.equal(await drawnIn(chart(page, 'Loss')), before, 'the same as at first');
    await page.getByLabel('logarithmic').check();
    t.not(await drawnIn(chart(page, 'Loss')), before, 'another axis');
    await close();
  });

  t.test('curves over epochs and time, smoothed, and hidden', async t => {
    const { page, close } = await open('classes');
    const slider = chart(page, 'Loss').getByRole('slider');
    const over = page.getByRole('combobox', { name: /^over/ });
    await over.selectOption('epochs');
    await slider.focus();
    await page.keyboard.press('End');
    // fifteen steps in three epochs
    t.equal(await slider.getAttribute('aria-valuenow'), '3');
    t.match(await slider.getAttribute('aria-valuetext'), /^epoch 3: train, each batch/);
    t.equal(await slider.getAttribute('aria-valuemin'), '0.2');
    await over.selectOption('time');
    await slider.focus();
    await page.keyboard.press('End');
    const log = readLog(classRun);
    const timeOf = (event: string) => Date.parse(String(log.find(one => one.event === event)?.time));
    const last = log.findLast(({ event }) => event === 'train.step');
    const seconds = (Date.parse(String(last?.time)) - timeOf('run.start')) / 1000;
    t.equal(await slider.getAttribute('aria-valuenow'), String(seconds));
    await over.selectOption('steps');
    t.equal(await slider.getAttribute('aria-valuenow'), '15');

    const norm = chart(page, 'Gradient norm');
    const smooth = norm.locator('.smooth');
    t.equal(await smooth.count(), 0);
    const before = await drawnIn(norm);
    await page.getByLabel('smoothing').fill('0.6');
    const norms = Object.values(seriesIn(log, 'train.step', 'grad_norm')).map(Number);
    const [sum, weights] = norms.reduce(([a, b], value) => [a * 0.6 + value, b * 0.6 + 1], [0, 0]);
    const told = Number(/[\d.]+$/.exec(await textOf(smooth))?.[0]);
    t.ok(Math.abs(told / (sum / weights) - 1) < 1e-3, `${told}, not ${sum / weights}`);
    t.equal(
      await norm.locator('[data-series="grad_norm"] data').getAttribute('value'),
      String(norms.at(-1)),
      'the measurement is told as well',
    );
    t.not(await drawnIn(norm), before, 'another drawing');
    await page.getByLabel('smoothing').fill('0');
    t.equal(await drawnIn(norm), before, 'the same as at first');

    const hide = chart(page, 'Loss').getByRole('button', { name: 'train, each batch' });
    await hide.focus();
    await page.keyboard.press('Space');
    t.equal(await hide.getAttribute('aria-pressed'), 'false');
    await slider.focus();
    await page.keyboard.press('Home');
    t.notMatch(await slider.getAttribute('aria-valuetext'), /each batch/);
    await close();
  });

  t.test('warnings, and damage in the log, as text', async t => {
    const page = await shared('values');
    const logged = readLog(valueRun).filter(({ event }) => event === 'warning');
    const shown = await part(page, 'Warnings').locator('li').allInnerTexts();
    t.ok(logged.length > 0);
    t.equal(shown.length, logged.length);
    for (const [i, { code, message }] of logged.entries()) t.match(shown[i], `${code} ${message}`);
    const hostile = join(work.folder(), 'hostile');
    cpSync(valueRun, hostile, { recursive: true });
    appendFileSync(
      join(hostile, 'log.jsonl'),
      `${JSON.stringify({ event: 'warning', code: 'x', message: HOSTILE })}\nno event\n`,
    );
    const { page: other, said, requested, close: closeOther } = await openPage(browser, reportOf(hostile));
    const texts = await part(other, 'Warnings').locator('li').allInnerTexts();
    t.equal(texts.at(-2), `x ${HOSTILE}`);
    t.match(texts.at(-1), /^log\.jsonl:\d+ this is not JSON$/);
    t.equal(await other.locator('img').count(), 0);
    t.same([...said, ...requested], []);
    await closeOther();
  });

  t.test('classes: the confusion matrix and the worst mistakes as images', async t => {
    const page = await shared('classes');
    const matrix = part(page, 'Confusion matrix').locator('tbody tr');
    const counts = (await cellsOf(matrix)).map(cells => cells.slice(1, -1).map(Number));
    t.same(counts, EVALUATION.confusion);
    t.match(
      await textOf(part(page, 'Confusion matrix').locator('.note')),
      /^10 of 20 right; test split, epoch 3, step 15/,
    );
    await part(page, 'Confusion matrix').getByRole('checkbox').check();
    t.same((await cellsOf(matrix))[1].slice(1, -1), ['20.0', '60.0', '20.0', '0.0'], '1, 3, 1 and 0 of 5');
    t.same(await cellsOf(part(page, 'Worst mistakes').locator('tbody tr')), [
      ['#7', '', '0', '1', '90.00 %', '5.00 %'],
      ['#2', '', '2', '3', '80.00 %', '10.00 %'],
    ]);
    const pixels = await page.evaluate(
      `[...document.querySelector('.mistakes canvas').getContext('2d').getImageData(0, 0, 2, 2).data].filter((_, i) => i % 4 === 3)`,
    );
    t.same(pixels, [0, 85, 170, 255], 'white on black');
  });

  t.test('sequences: errors, the worst ones, and what symbols were read from', async t => {
    const page = await shared('sequences');
    const errors = part(page, 'Most frequent errors');
    t.match(await textOf(errors.locator('.note')), /^1 of 3 sequences right; 1 symbols substituted/);
    t.same(await cellsOf(errors.locator('tbody tr')), [
      ['AE', 'IY', '1'],
      ['B', 'none', '1'],
    ]);
    const marked = part(page, 'Worst sequences').locator('.aligned > *');
    t.same(await marked.evaluateAll(all => all.map(one => [one.tagName, one.textContent])), [
      ['MARK', 'AEIY'],
      ['MARK', 'B·'],
      ['SPAN', '␣␣'],
    ]);
    const figures = part(page, 'Alignment').locator('figure');
    t.same(await attributes(figures, 'data-alignment'), ['line 3', '#2']);
    t.same(await figures.locator('figcaption').allInnerTexts(), ['line 3, 2 errors', '#2']);
    t.same(await figures.locator('.symbol').allInnerTexts(), ['IY', '␣', 'B']);
    t.same(await figures.locator('.step').allInnerTexts(), ['a', '␣', 'y', '40 steps']);
    const alphas = await page.evaluate(
      `[...document.querySelector('.heat canvas').getContext('2d').getImageData(0, 0, 3, 2).data].filter((_, i) => i % 4 === 3)`,
    );
    t.same(alphas, [255, 0, 51, 0, 255, 102]);
  });

  t.test('values: pairs, the worst predictions and scores', async t => {
    const ofValues = await shared('values');
    const { worst, sample, per_output } = readJson<{
      per_output: Record<'mean_absolute_error' | 'rmse' | 'r2', number>[];
      worst: { id: string; absolute_error: number }[];
      sample: unknown[];
    }>(valueRun, 'evaluation.json');
    const shown = part(ofValues, 'True and predicted');
    t.same(
      await valuesIn(shown.locator('td data')),
      worst.map(({ absolute_error: error }) => error),
    );
    t.same(
      (await cellsOf(shown.locator('tbody tr'))).map(([sequence]) => sequence),
      worst.map(({ id }) => id),
    );
    t.equal(await shown.locator('svg').count(), 2, 'a plot for each target');
    t.equal(await shown.locator('.mark').count(), 2 * sample.length);
    t.same(
      await valuesIn(part(ofValues, 'Each target').locator('td data')),
      per_output.flatMap(({ mean_absolute_error: error, rmse, r2 }) => [error, rmse, r2]),
    );
  });

  t.test('text: classes and mistakes with visible spaces, and all classes if asked for', async t => {
    const page = await shared('text');
    const matrix = part(page, 'Confusion matrix');
    const heads = () => matrix.locator('thead th').allInnerTexts();
    t.equal((await heads()).length, 18, 'the true class, 15 classes, the others and the recall');
    t.ok((await heads()).includes('␣'));
    await matrix.getByRole('checkbox', { name: /all \d+ classes/ }).check();
    const { classes } = readJson<{ classes: number }>(textRun, 'evaluation.json');
    t.equal((await heads()).length, classes + 2);
    const marks = await part(page, 'Worst mistakes').locator('mark').allInnerTexts();
    t.ok(marks.length > 0 && marks.every(text => text.trim() !== ''), marks.join());
    t.match(await textOf(page.locator('.alert')), 'Gate test.loss failed');
  });

  t.test('a sweep: its table is trials.csv, and can be sorted', async t => {
    const page = await shared('sweep');
    const csv = trialsInFile();
    const rows = page.locator('.sortable tbody tr');
    const column = (name: string) => rows.locator(`[data-column="${name}"]`);
    const trials = (await column('trial').allInnerTexts()).map(Number);
    t.same(
      trials,
      csv.map(({ trial }) => Number(trial)),
      'best first',
    );
    for (const name of ['test.loss', 'optimizer.learning_rate', 'model.hidden_size'])
      t.same(
        await valuesIn(column(name).locator('data')),
        csv.flatMap(row => (row[name] === '' ? [] : [Number(row[name])])),
        name,
      );
    t.same(
      await column('optimizer.kind').allInnerTexts(),
      csv.map(row => row['optimizer.kind']),
    );
    t.same(
      (await column('state').allInnerTexts()).map(text => text.replace(/^\W+/, '')),
      csv.map(({ state }) => state),
    );
    const byRate = csv
      .toSorted((a, b) => Number(a['optimizer.learning_rate']) - Number(b['optimizer.learning_rate']))
      .map(({ trial }) => Number(trial));
    const button = page.getByRole('button', { name: 'learning_rate' });
    await button.click();
    t.same((await column('trial').allInnerTexts()).map(Number), byRate);
    t.equal(
      await page.getByRole('columnheader', { name: 'learning_rate' }).getAttribute('aria-sort'),
      'ascending',
    );
    await button.click();
    t.same((await column('trial').allInnerTexts()).map(Number), byRate.toReversed());
    t.equal(await page.locator('[data-metric="best"] data').getAttribute('value'), csv[0]['test.loss']);
    const { metrics }: SweepSummary = JSON.parse(readFileSync(join(sweepDirectory, 'summary.json'), 'utf8'));
    const table = page.getByRole('group', { name: 'Final metrics of the best trial, a table' });
    t.same(
      await valuesIn(table.locator('data')),
      metrics?.flatMap(({ mean, baseline }) => [mean, baseline?.value]),
    );
  });

  t.test('selects trials along the axes, by pointer and by keyboard', async t => {
    const page = await shared('sweep');
    const csv = trialsInFile();
    const chosen = async () =>
      (await page.locator('.sortable [data-column="trial"]').allInnerTexts()).map(Number).toSorted();
    await page.getByText('Choose with sliders').click();
    const lowest = page.getByRole('slider', { name: 'lowest hidden_size' });
    await lowest.focus();
    t.match(await lowest.getAttribute('aria-valuetext'), /^2$/);
    // 2 to 6 in a hundred steps: 55 lead to 4.2
    for (let i = 0; i < 55; i++) await page.keyboard.press('ArrowUp');
    t.equal(await lowest.getAttribute('aria-valuetext'), '4.2');
    const large = csv
      .filter(row => Number(row['model.hidden_size']) > 4.2)
      .map(({ trial }) => Number(trial))
      .toSorted();
    t.same(await chosen(), large);
    t.match(await textOf(page.locator('.toolbar output').first()), `${large.length} of 6 trials chosen`);
    await page.keyboard.press('Home');
    t.equal((await chosen()).length, 6);
    const catcher = page.locator('[data-axis="optimizer.learning_rate"] .catcher');
    await catcher.scrollIntoViewIfNeeded();
    const box = await catcher.boundingBox();
    if (box === null) throw new Error('the axis is not there');
    const middle = box.x + box.width / 2;
    await page.mouse.move(middle, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(middle, box.y + 10, { steps: 4 });
    await page.mouse.move(middle, box.y - 20);
    await page.mouse.up();
    // the axis is logarithmic: its middle is the geometric mean of 0.001 and 0.1
    const fast = csv
      .filter(row => Number(row['optimizer.learning_rate']) > 0.01)
      .map(({ trial }) => Number(trial))
      .toSorted();
    t.ok(fast.length > 0 && fast.length < 6, 'the sample tells');
    t.same(await chosen(), fast);
    await page.getByRole('button', { name: 'Choose all' }).click();
    t.equal((await chosen()).length, 6);
  });

  t.test('the charts of a sweep match its logs', async t => {
    const page = await shared('sweep');
    const csv = trialsInFile();
    const lines = await page.locator('.pruning [data-trial]').all();
    t.equal(lines.length, csv.length);
    for (const line of lines) {
      const trial = await line.getAttribute('data-trial');
      const d = (await line.locator('path.trial').getAttribute('d')) ?? '';
      const log = readLog(join(sweepDirectory, 'trials', `t${trial?.padStart(4, '0')}-s0`));
      t.equal(
        d.split(/[ML]/).length - 1,
        log.filter(({ event }) => event === 'eval').length,
        `trial ${trial}: a point for each epoch`,
      );
    }
    const marks = await page.locator('.multiples svg').first().locator('.mark').count();
    t.equal(marks, csv.filter(row => row['test.loss'] !== '').length);
  });

  t.test('a directory: its runs, its sweeps, and each run in short', async t => {
    const page = await shared('index');
    const rows = page.locator('.scroll[aria-label="Runs"] tbody tr');
    const started = (directory: string) => readJson<{ started: string }>(directory, 'manifest.json').started;
    const newestFirst = [classRun, valueRun, divergedRun]
      .toSorted((a, b) => started(b).localeCompare(started(a)))
      .map(directory => readJson<RunSummary & { name: string }>(directory, 'summary.json'));
    t.same(
      await rows.locator('[data-column="id"]').allInnerTexts(),
      newestFirst.map(({ name, run_id: id }) => `${name} ${id}`),
    );
    for (const [i, { metrics }] of newestFirst.entries()) {
      const { loss: _, ...others } = metrics.test;
      const shown = await valuesIn(rows.nth(i).locator('[data-column="result"] data'));
      t.same(shown, Object.values(others).slice(0, 1), 'accuracy of classes, errors of values');
    }
    await page.getByRole('searchbox').fill('diverged');
    await rows.nth(1).waitFor({ state: 'detached' });
    t.equal(await rows.count(), 1);
    await page.locator('details.detail summary').first().click();
    t.equal(
      await page.locator('article.run').getAttribute('data-run'),
      readJson<RunSummary>(classRun, 'summary.json').run_id,
    );
    await page.locator('article.run .plot .curve').nth(3).waitFor({ state: 'attached' });
  });

  t.test('axe finds nothing, no view is wider than its screen, and nothing is said or asked for', async t => {
    for (const name of Object.keys(files) as (keyof typeof files)[]) {
      const { page, said, requested, close } = await open(name, { width: 360 });
      for (const summary of await page.locator('summary').all()) await summary.click();
      await checkLooks(t, page, name);
      t.same([...said, ...requested], [], name);
      await close();
    }
  });

  t.test('shows the essentials without scripts and in print', async t => {
    const without = await open('classes', { scripts: false });
    const summary = readJson<RunSummary>(classRun, 'summary.json');
    const text = await textOf(without.page.locator('main'));
    for (const value of ['classes', 'completed', String(summary.metrics.test.loss), 'Charts need JavaScript'])
      t.ok(text.includes(value), value);
    await without.close();
    const dark = await open('classes', { scheme: 'dark' });
    await dark.page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    t.equal(
      await dark.page.evaluate('getComputedStyle(document.body).backgroundColor'),
      'rgb(255, 255, 255)',
    );
    t.equal(await dark.page.locator('.toolbar').first().isVisible(), false);
    t.ok((await dark.page.pdf()).length > 10_000);
    await dark.close();
  });

  t.test('the policy of the page allows no external resource', async t => {
    const page = await shared('classes');
    await page.evaluate(
      "document.body.append(Object.assign(document.createElement('script'), { textContent: 'document.title = 1' }))",
    );
    await page.evaluate(
      "document.body.append(Object.assign(document.createElement('img'), { src: 'http://127.0.0.1:9/x.png' }))",
    );
    t.match(await page.title(), /^classes /);
    t.equal(
      await page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'reached', error => error.name)"),
      'TypeError',
    );
  });
});

interface GateInFile {
  readonly metric: string;
  readonly value: number | null;
  readonly verdict: string;
  readonly origin: string;
}

/** The trials best first: more epochs before fewer, then the smaller loss. */
function trialsInFile(): Record<string, string>[] {
  const rows: Record<string, string>[] = parse(readFileSync(join(sweepDirectory, 'trials.csv')), {
    columns: true,
  });
  const rank = (row: Record<string, string>) => [
    row['test.loss'] === '' ? 1 : 0,
    -Number(row.epochs),
    Number(row['test.loss']),
  ];
  return rows.toSorted((a, b) => {
    const [x, y] = [rank(a), rank(b)];
    return x[0] - y[0] || x[1] - y[1] || x[2] - y[2];
  });
}

async function textOf(locator: Locator): Promise<string> {
  return (await locator.allInnerTexts()).join();
}

function drawnIn(chart: Locator): Promise<string> {
  return chart.locator('.plot').innerHTML();
}

function chart(page: Page, title: string): Locator {
  return page.locator(`figure[data-chart="${title}"]`);
}

async function tilesOf(page: Page): Promise<Record<string, number>> {
  const names = await attributes(page.locator('.tiles > div'), 'data-metric');
  const values = await valuesIn(page.locator('.tiles data'));
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
}

/** The table of a chart: by column, the value at each step that the column has one of its own. */
async function tableOf(page: Page, title: string): Promise<Record<string, Record<string, number | null>>> {
  const figure = chart(page, title);
  await figure.locator('summary').click();
  await figure.locator('table').waitFor();
  // in one go: a question for each cell would take long
  const [head, ...body] = (await page.evaluate(
    `[...document.querySelectorAll('figure[data-chart="${title}"] tr')].map(row =>
      [...row.cells].map(cell => cell.querySelector('data')?.value ?? cell.textContent))`,
  )) as string[][];
  const columns = head.slice(1).map((name, i) => {
    const filled = body.filter(cells => cells[i + 1] !== '');
    const values = filled.map(cells => [
      cells[0],
      cells[i + 1] === 'not finite' ? null : Number(cells[i + 1]),
    ]);
    return [name, Object.fromEntries(values)];
  });
  return Object.fromEntries(columns);
}

function seriesIn(log: readonly LogLine[], event: string, field: string): Record<string, number | null> {
  const records = log.filter(line => line.event === event);
  return Object.fromEntries(records.map(line => [String(line.step), line[field] as number | null]));
}

/** What stands beside the name of a run. */
const BADGES = { classes: /^✕ gate failed/, values: /./, diverged: /^✕ diverged$/ };
