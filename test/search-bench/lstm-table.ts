/**
 * Records the table that searches and pruners are measured on: 500 points of `lstm-problem.ts`,
 * drawn at random from a fixed seed, each trained by this program for 9 epochs on one thread. `node
 * dist/test/search-bench/lstm-table.js [ROWS]`; goes on where an earlier call stopped, and takes
 * about two seconds a row.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkAgainstData } from '../../src/config/data-check.js';
import { loadExperiment } from '../../src/config/index.js';
import type { Split } from '../../src/data/index.js';
import { writeAtomic } from '../../src/run/files.js';
import { versions } from '../../src/run/manifest.js';
import {
  assignments,
  canonical,
  type Distribution,
  exists,
  type Point,
  type Value,
} from '../../src/sweep/search/space.js';
import { initialWeights } from '../../src/train/initial-weights.js';
import { type StepReport, TrainingState, trainingLoop } from '../../src/train/loop.js';
import { planRun } from '../../src/train/plan.js';
import { createTrainer, modelSpec, openSession, type Session } from '../../src/train/session.js';
import { RandomStream } from '../../src/util/random.js';
import { packageRoot } from '../../src/util/root.js';
import { EPOCHS, type LstmTable, problem, space, type TableRow, TEST_COUNT } from './lstm-problem.js';

const FILE = join(packageRoot, 'test', 'fixtures', 'schedule', 'lstm-table.json');
const ROWS = 500;
const SEED = 20;

/** Row `row`'s point, each row from a stream of its own: more rows change none before them. */
function drawPoint(row: number): Point {
  const random = RandomStream.of(SEED, `lstm-table/${row}`);
  const point: Record<string, Value> = {};
  for (const parameter of space.parameters) {
    if (exists(parameter, point)) point[parameter.name] = draw(parameter.distribution, random);
  }
  return point;
}

function draw(distribution: Distribution, random: RandomStream): Value {
  if (distribution.kind === 'choice') return distribution.values[random.integer(distribution.values.length)];
  const { low, high } = distribution;
  const u = random.uniform();
  switch (distribution.kind) {
    case 'uniform':
      return Number((low + (high - low) * u).toPrecision(4));
    case 'log_uniform':
      return Number((low * (high / low) ** u).toPrecision(4));
    case 'int':
      return low + Math.floor((high - low + 1) * u);
    case 'log_int':
      // the half around each number, on the logarithm's scale
      return Math.round((low - 0.5) * ((high + 0.5) / (low - 0.5)) ** u);
  }
}

class Training {
  private session: Session | undefined;
  private readonly config: string;

  constructor(folder: string) {
    this.config = join(folder, 'config.json');
    // the optimizer's kind is the point's; that of the file is only there to be replaced
    const optimizer = { kind: 'adam', learning_rate: 0.01 };
    writeFileSync(this.config, JSON.stringify({ ...problem, optimizer }));
  }

  /** `test.accuracy` after each epoch, shorter where training diverged. */
  async run(point: Point): Promise<number[]> {
    const set = assignments(space, point).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
    const loaded = loadExperiment(this.config, { set });
    const session = await this.sessionOf(loaded);
    const trainer = await createTrainer(loaded, session);
    try {
      trainer.parameters.set(initialWeights(loaded, session.spec).parameters);
      const { order, totalSteps } = planRun(loaded, session);
      const evaluator = trainer.evaluator(200);
      const accuracy: number[] = [];
      const learningRate = () => loaded.experiment.optimizer.learning_rate;
      const state = new TrainingState();
      const step = async ({ epochEnded }: StepReport) => {
        const evaluation = epochEnded && (await evaluator.evaluate(session.dataset.test));
        if (evaluation) accuracy.push(Number(evaluation.metrics.accuracy.toFixed(4)));
      };
      await trainingLoop({
        ...{ trainer, order, totalSteps, state, learningRate, observer: { step } },
      });
      return accuracy;
    } finally {
      await trainer.close();
    }
  }

  /** The data are opened once; the model's sizes are those of each config. */
  private async sessionOf(loaded: ReturnType<typeof loadExperiment>): Promise<Session> {
    if (!this.session) {
      const opened = await openSession(loaded, { backend: 'auto', threads: 1 });
      this.session = { ...opened, dataset: { ...opened.dataset, test: first(opened.dataset.test) } };
    }
    const spec = modelSpec(loaded, checkAgainstData(loaded, this.session.dataset).sizes);
    return { ...this.session, spec, run: { ...this.session.run, spec } };
  }
}

/** The first TEST_COUNT sequences. */
function first({ targets, read }: Split): Split {
  if (targets.kind !== 'class') throw new Error('MNIST has classes');
  return { count: TEST_COUNT, targets: { ...targets, values: targets.values.subarray(0, TEST_COUNT) }, read };
}

function recorded(): readonly TableRow[] {
  if (!existsSync(FILE)) return [];
  const table: LstmTable = JSON.parse(readFileSync(FILE, 'utf8'));
  const same = canonical(table.config) === canonical(problem);
  table.trainings.forEach(({ point }, row) => {
    if (!same || canonical(point) !== canonical(drawPoint(row)))
      throw new Error(`${FILE} holds another problem: remove it to record this one`);
  });
  return table.trainings;
}

/** A row a line, so that differences can be read. */
function write(trainings: readonly TableRow[]): void {
  const head = { cellrun: versions().cellrun, config: problem, space };
  const rows = trainings.map(row => JSON.stringify(row)).join(',\n');
  writeAtomic(FILE, [`${JSON.stringify(head).slice(0, -1)},"trainings":[\n${rows}\n]}\n`]);
}

const wanted = Number(process.argv[2] ?? ROWS);
const folder = mkdtempSync(join(tmpdir(), 'cellrun-table-'));
try {
  const trainings = [...recorded()];
  const training = new Training(folder);
  while (trainings.length < wanted) {
    const point = drawPoint(trainings.length);
    const began = performance.now();
    const accuracy = await training.run(point);
    trainings.push({ point, accuracy });
    write(trainings);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    const end = accuracy.length < EPOCHS ? 'diverged' : `${accuracy[EPOCHS - 1]}`;
    console.error(`${trainings.length}/${wanted}  ${seconds} s  ${end}  ${canonical(point)}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
