/**
 * Charts at their edges, in a real browser: values that are not there, that are huge, or that span
 * many powers of ten.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Locator, Page } from 'playwright-core';
import t from 'tap';
import { buildReport, type Report, renderPage } from '../../src/view/report.js';
import type { RunReport } from '../../src/view/run-report.js';
import type { SweepReport, TrialReport } from '../../src/view/sweep-report.js';
import {
  attributes,
  changeLook,
  checkLooks,
  chromiumMissing,
  keepScreenshot,
  type Look,
  openPage,
  startChromium,
} from '../support/browser.js';
import { sweepInProcess } from '../support/sweeps.js';
import { work } from '../support/work.js';

const adding = {
  seed: 0,
  dataset: { kind: 'synthetic', problem: 'adding', sequence_length: 8, train_size: 200, test_size: 40 },
  model: { cell: 'lstm', hidden_size: 4, head: { from: 'last' } },
  loss: { kind: 'mse' },
  optimizer: { kind: 'sgd', learning_rate: 0.1 },
  training: { num_epochs: 3, batch_size: 50, log_every: 1 },
};

/** A sweep of which some trials diverge, and in which not every trial has a momentum. */
function trainSweep(): Promise<string> {
  const parameters = {
    'optimizer.learning_rate': [0.1, 1000],
    'optimizer.kind': ['adam', 'sgd'],
    'optimizer.momentum': { kind: 'choice', values: [0.5, 0.99], when: { 'optimizer.kind': 'sgd' } },
  };
  return sweepInProcess(work, work.sweep({ base: work.config(adding), parameters }), work.folder());
}

t.test('in a browser', { skip: chromiumMissing() ?? false, timeout: 600_000 }, async t => {
  const browser: Browser = await startChromium();
  t.teardown(() => browser.close());

  /** Looks at a document's page; nothing may be said on its console. */
  async function view(report: Report, look: Look, use: (page: Page) => Promise<void>): Promise<void> {
    const file = work.file('report.html', renderPage(report));
    const { page, said, close } = await openPage(browser, pathToFileURL(file).href, look);
    await use(page);
    await close();
    t.same(said, []);
  }

  const directory = await trainSweep();
  const sweep = buildReport(directory) as SweepReport;

  t.test('trials without a value are drawn off the axis and counted in the text', async t => {
    const without = sweep.trials.filter(({ value }) => value === null);
    const bare = sweep.trials.filter(({ point }) => !('optimizer.momentum' in point));
    t.ok(without.length > 0 && without.length < sweep.trials.length && bare.length > 0, 'the sample tells');
    await view(sweep, {}, async page => {
      const parallel = page.locator('.parallel');
      const ends = await parallel.locator('path.trial').evaluateAll(paths =>
        paths.map(path => {
          const places = (path.getAttribute('d') ?? '').slice(1).split('L');
          return { places: places.length, last: Number(places[places.length - 1].split(' ')[1]) };
        }),
      );
      t.ok(
        ends.every(({ places }) => places === sweep.parameters.length + 1),
        'a line over all axes for every trial',
      );
      const axisEnd = await parallel
        .locator('[data-axis="test.loss"] .base')
        .evaluate(line => Number(line.getAttribute('y1')));
      t.equal(ends.length, sweep.trials.length);
      t.equal(ends.filter(({ last }) => last > axisEnd + 20).length, without.length, 'below the axis');
      t.same(
        await attributes(parallel.locator('[data-axis]:has(.no-value)'), 'data-axis'),
        ['optimizer.momentum', 'test.loss'],
        'where a value is missing, and nowhere else',
      );
      const note = await page.locator('[data-note="no-value"]').textContent();
      t.match(
        note,
        `${bare.length} trials without optimizer.momentum; ${without.length} trials without test.loss`,
      );
      await page
        .getByRole('img', { name: `Parallel coordinates of ${sweep.trials.length} trials;` })
        .waitFor();
      const plot = (name: string): Locator => page.getByRole('img', { name: `test.loss by ${name}` });
      t.equal(await plot('optimizer.learning_rate').locator('.mark').count(), sweep.trials.length);
      t.match(
        await plot('optimizer.learning_rate').getAttribute('aria-label'),
        `of ${sweep.trials.length} trials;`,
      );
      t.equal(await plot('optimizer.momentum').locator('.mark').count(), sweep.trials.length - bare.length);
      t.match(await page.locator('.multiples [data-note="left-out"]').allInnerTexts(), [
        `Not shown: ${bare.length} trials without optimizer.momentum.`,
      ]);
    });
    await view(sweep, {}, page =>
      checkLooks(t, page, 'no-value', async () => t.same(await cutOff(page), [])),
    );
  });

  t.test(
    'labels do not run into each other: objectives of many powers of ten, categories of many values',
    async t => {
      const values = Array.from({ length: 60 }, (_, i) => `value ${i}`);
      const kind = { name: 'kind', title: 'kind', scale: 'category', low: null, high: null, values } as const;
      for (const [high, low] of [
        [1e30, 1e-3],
        [3e9, 0.5],
        [5e3, 0.02],
        [90, 0.2],
        [1e150, 1e-150],
      ] as const) {
        const trials = values.map((value, i): TrialReport => {
          const loss = low * (high / low) ** (i / (values.length - 1));
          const curve = { epochs: [1], values: [loss] };
          return { ...sweep.trials[0], trial: i, value: loss, curve, point: { kind: value } };
        });
        const report = { ...sweep, trials, parameters: [kind] };
        await view(report, { width: 360 }, async page => {
          for (const width of [360, 1280]) {
            await changeLook(page, { width, scheme: 'light' });
            t.same(await overlapping(page), [], `${low} to ${high}`);
            const ticks = await page.locator('[data-axis="test.loss"] .tick').allTextContents();
            t.ok(ticks.length >= 3 && ticks.length <= 8, `${ticks}`);
            await keepScreenshot(page, `powers-${high}-${width}`);
          }
        });
      }
    },
  );

  t.test(
    'curves: labels are whole, exact and evenly spaced, however many steps and however large the values',
    async t => {
      const run = buildReport(join(directory, 'trials', 't0000-s0')) as RunReport;
      const curveOf = (values: readonly number[], last: number) => ({
        steps: values.map((_, i) => Math.round(1 + (i * (last - 1)) / (values.length - 1))),
        values,
        count: values.length,
      });
      for (const last of [7, 1_000_000, 12_345_678]) {
        const losses = {
          'train.loss': [0.7, 0.9, 1.4e31, 8e31],
          grad_norm: [1.11e15, 1.138e15, 1.16e15],
          'test.mean_absolute_error': [0.01, 0.01],
          'test.accuracy': [0.9312, 0.9318],
          samples_per_s: [-250_000, 2_000_000],
        };
        const curves = Object.fromEntries(
          Object.entries(losses).map(([name, values]) => [name, curveOf(values, last)]),
        );
        await view({ ...run, curves, steps_per_epoch: null }, {}, async page => {
          for (const width of [360, 1280])
            for (const isLog of [true, false]) {
              await changeLook(page, { width, scheme: 'dark' });
              await page.getByLabel('logarithmic').setChecked(isLog);
              t.same(await cutOff(page), [], `${last} steps, ${width} wide`);
              t.same(await overlapping(page), [], `${last} steps, ${width} wide`);
              for (const chart of ['Loss', 'Gradient norm', 'Mean absolute error', 'Accuracy']) {
                const of = (anchor: string) =>
                  page.locator(`[data-chart="${chart}"] .axis text[text-anchor=${anchor}]:not(.title)`);
                t.ok((await of('middle').count()) >= 2, chart);
                const texts = await of('end').allTextContents();
                const numbers = texts.map(text => Number(text.replace(' %', '')));
                t.ok(numbers.length >= 3, `${chart}: ${texts}`);
                if (isLog && chart === 'Loss') continue;
                const steps = numbers.slice(1).map((value, i) => value - numbers[i]);
                t.ok(
                  steps.every(step => Math.abs(step / steps[0] - 1) < 1e-6),
                  `${chart}: ${texts}`,
                );
              }
              const log = isLog ? '-log' : '';
              await keepScreenshot(page, `curves${log}-${last}-${width}`);
            }
        });
      }
    },
  );
});

/** Pairs of texts beside axes of which one lies over the other. */
function overlapping(page: Page): Promise<string[]> {
  return page.locator('svg').evaluateAll(images =>
    images.flatMap(image => {
      const texts = [...image.querySelectorAll('.axis text:not(.title), .tick')];
      const boxes = texts.map(text => ({ text: text.textContent, box: text.getBoundingClientRect() }));
      return boxes.flatMap((a, i) =>
        boxes
          .slice(i + 1)
          .filter(
            b =>
              a.box.left < b.box.right &&
              b.box.left < a.box.right &&
              a.box.top < b.box.bottom - 2 &&
              b.box.top < a.box.bottom - 2,
          )
          .map(b => `${a.text} over ${b.text}`),
      );
    }),
  );
}

/** Texts of which a part is outside of their image, which shows only what is inside. */
function cutOff(page: Page): Promise<string[]> {
  return page.locator('svg text').evaluateAll(texts =>
    texts
      .filter(text => {
        const [inner, outer] = [text.getBoundingClientRect(), text.closest('svg')?.getBoundingClientRect()];
        return outer === undefined || inner.left < outer.left - 0.5 || inner.right > outer.right + 0.5;
      })
      .map(text => text.textContent ?? ''),
  );
}
