/** The configs that trials start from, and those of points: which are checked, what they share. */
import { basename, dirname, extname, isAbsolute, join } from 'node:path';
import type { Assignment } from '../../config/layers.js';
import { type ConfigSource, type LoadedExperiment, openConfig } from '../../config/load.js';
import { measuredMetrics, metricsOf, possibleMetrics, splitSeedOf, splitsOf } from '../../config/metrics.js';
import type { Experiment, MetricName, PartialExperiment } from '../../config/schema/experiment.js';
import { flatValues } from '../../config/schema/schema.js';
import {
  type Locator,
  type MapNode,
  type Node,
  nodeAt,
  type Place,
  scalarNode,
} from '../../config/yaml/tree.js';
import { lossFor } from '../../math/losses/index.js';
import { type Diagnostic, UserError } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';
import { RandomStream } from '../../util/random.js';
import { baseOf, type FrozenBase, VARIANT } from '../directory.js';
import type { Base, Objective } from '../schedule/plan.js';
import { gridPoints, gridSize, pointAtFractions, Untried } from '../search/grid.js';
import { describePoint, isExcluded, type Point, type Space } from '../search/space.js';
import { assignmentsOf, type LocatedParameter } from './parameters.js';

export const COMMAND_LINE = 'command line';

export interface LoadedBase extends FrozenBase, Omit<Base, 'sha256'> {
  readonly source: ConfigSource;
  readonly folds: Experiment['folds'];
}

interface NamedConfig {
  readonly name: string;
  readonly node: Node;
  /** The config itself; absent if it is read from the file that `node` names. */
  readonly content?: object | undefined;
}

/** The configs of `base` or `variants`; `contents` are those that are objects. */
export function baseConfigs(
  tree: MapNode,
  contents: readonly (object | undefined)[] = [],
): readonly NamedConfig[] {
  const variants = nodeAt(tree, ['variants'])?.value;
  const base = nodeAt(tree, ['base'])?.value;
  const nodes = base !== undefined ? [base] : variants?.kind === 'list' ? variants.items : [];
  const names = frozenNames(nodes.map(fileOf));
  return nodes.map((node, i) => ({ name: names[i], node, content: contents[i] }));
}

/** The names of config files within the sweep's `configs` directory; equal ones are numbered. */
export function frozenNames(files: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  for (const path of files) {
    const stem = basename(path, extname(path));
    let name = `${stem}.yaml`;
    for (let n = 2; taken.has(name); n++) name = `${stem}-${n}.yaml`;
    taken.add(name);
  }
  return [...taken];
}

/** The parameter that chooses the config; empty for a sweep with one base. */
export function variantParameter(
  tree: MapNode,
  configs: readonly NamedConfig[],
): readonly LocatedParameter[] {
  const found = nodeAt(tree, ['variants']);
  if (nodeAt(tree, ['base']) !== undefined || found?.key === undefined) return [];
  const written = configs.map(({ name, node }) => ({ value: name, node }));
  const distribution = { kind: 'choice' as const, values: configs.map(({ name }) => name) };
  const places = { keyPlace: found.key, node: found.value, written };
  return [{ given: 'variants', keys: [VARIANT], name: VARIANT, distribution, ...places }];
}

/** Reads all configs; each must be valid by itself. */
export function openBases(
  configs: readonly NamedConfig[],
  set: readonly string[],
): { bases: readonly LoadedBase[]; problems: readonly Diagnostic[] } {
  const bases: LoadedBase[] = [];
  const problems: Diagnostic[] = [];
  for (const { name, node, content } of configs) {
    const { text } = node.place;
    const written = fileOf(node);
    const isArgument = text.file === COMMAND_LINE;
    const file = isAbsolute(written) || isArgument ? written : join(dirname(text.file), written);
    try {
      const given = openConfig(content ?? file, { set, ...(!isArgument && { asked: node.place }) });
      const source = once(given, node.place);
      const { experiment, files, origin } = source.load();
      const origins = experiment.gates.map((_, i) => origin(`gates.${i}`));
      const ofGates = origins.length > 0 && { gate_origins: origins, config_files: files };
      const { folds } = given.check().experiment;
      bases.push({ name, file, ...ofGates, source, yaml: source.portableYaml, folds });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(...error.diagnostics);
    }
  }
  return { bases, problems };
}

/** Without `repeat` and `folds`: the sweep has the seeds and the number of folds. */
function once(source: ConfigSource, place: Place): ConfigSource {
  const { experiment } = source.check();
  const value = scalarNode(null, place);
  const given = (['repeat', 'folds'] as const).filter(key => experiment[key] !== undefined);
  return source.with(given.map(key => ({ key, keyPlace: place, value })));
}

/**
 * The base with `dataset.seed`, so that all seeds of a sweep have the splits of the first. Perhaps
 * only its points draw splits: `divides` is true if they may.
 */
export function withSplitSeed(
  base: LoadedBase,
  { first, divides }: { readonly first: number | undefined; readonly divides: boolean },
  place: Place,
): LoadedBase {
  const { dataset, seed } = base.source.load().experiment;
  const drawn = divides ? { ...dataset, validation: { fraction: 0.5 } } : dataset;
  if (splitSeedOf(drawn as Experiment['dataset']) !== null) return base;
  const value = scalarNode(first ?? seed, place);
  const source = base.source.with([{ key: 'dataset.seed', keyPlace: place, value }]);
  return { ...base, source, yaml: source.portableYaml };
}

function fileOf(node: Node): string {
  return node.kind === 'scalar' ? String(node.value) : '';
}

/** `checkpoint.metric` of the configs as an objective; undefined if they differ in it. */
export function commonObjective(bases: readonly LoadedBase[]): Objective | undefined {
  const declared = bases.map(({ source }) => source.load().experiment.checkpoint);
  const [first] = declared;
  if (first === undefined || declared.some(({ metric }) => metric !== first.metric)) return undefined;
  return { metric: first.metric, goal: first.mode === 'max' ? 'maximize' : 'minimize' };
}

/** The base with `metric` in `training.metrics`, if it can measure it and does not. */
export function measuring(base: LoadedBase, metric: string, place: Place): LoadedBase {
  const { experiment } = base.source.load();
  const { loss, model, dataset } = experiment;
  const isMeasured = metricsOf(experiment, splitsOf(dataset)).includes(metric as MetricName);
  if (
    isMeasured ||
    !possibleMetrics(lossFor(loss, model), dataset, experiment.intervals).includes(metric as MetricName)
  )
    return base;
  const metrics = [...measuredMetrics(experiment), metric.slice(metric.indexOf('.') + 1)];
  const items = metrics.map(value => scalarNode(value, place));
  const value = { kind: 'list', items, place } as const;
  const source = base.source.with([{ key: 'training.metrics', keyPlace: place, value }]);
  return { ...base, source, yaml: source.portableYaml };
}

export function objectiveRule({ metric }: Objective, locator: Locator): PointRule {
  return ({ loss, dataset, ...config }) => {
    if (loss === undefined) return [];
    const reported: readonly string[] = metricsOf({ ...config, loss }, splitsOf(dataset));
    if (reported.includes(metric)) return [];
    const more = { expected: reported.join(' | '), suggestion: nearest(metric, reported) };
    const message = `the trials do not measure ${metric}`;
    return [locator.atValue(['objective', 'metric'], 'sweep/metric', message, more)];
  };
}

/** Checking more points would take minutes, and nobody would wait for such a grid. */
export const MAX_GRID = 100_000;
/** A finite space with more points is checked like an infinite one: by its corners and a sample. */
const MAX_LISTED = 20_000;
const MAX_CORNERS = 4_096;
const SAMPLES = 256;

/**
 * All points if they can be listed. Otherwise corners (combinations of listed values and bounds)
 * and points that have each of these values; then a sample, which is checked if they are valid.
 */
export function pointsToCheck(space: Space, seed: number): readonly (readonly Point[])[] {
  if ((gridSize(space) ?? Number.POSITIVE_INFINITY) <= MAX_LISTED) return [[...gridPoints(space)]];
  const parameters = space.parameters.map(parameter => {
    const { distribution: domain } = parameter;
    const values = domain.kind === 'choice' ? domain.values : [domain.low, domain.high];
    return { ...parameter, distribution: { kind: 'choice' as const, values } };
  });
  const counts = parameters.map(({ distribution }) => distribution.values.length);
  const points: Point[] = [];
  for (const corner of gridPoints({ ...space, parameters })) {
    if (points.length >= MAX_CORNERS) break;
    points.push(corner);
  }
  for (let i = 0; i < Math.max(...counts); i++) {
    const point = pointAtFractions({ ...space, parameters }, at => ((i % counts[at]) + 0.5) / counts[at]);
    if (!isExcluded(space, point)) points.push(point);
  }
  const random = RandomStream.of(seed, 'sweep/judged');
  const untried = new Untried(space);
  const sample = Array.from({ length: SAMPLES }, () => untried.draw(random));
  return [points, sample.filter(point => point !== undefined)];
}

export type PointRule = (experiment: PartialExperiment) => readonly Diagnostic[];

export class PointConfigs {
  /** The different numbers of epochs and seeds of valid points, each with a base that has it. */
  readonly epochs = new Map<number, LoadedBase>();
  readonly seeds = new Map<number, LoadedBase>();
  readonly splits = new Set<string>();
  /** Whether `training.max_steps` may end a trial within an epoch. */
  endsBySteps = false;
  readonly found = new PointDiagnostics();

  constructor(
    readonly bases: readonly LoadedBase[],
    private readonly parameters: readonly LocatedParameter[],
  ) {}

  /** @param place that diagnostics about the seed point to */
  configAt(point: Point, seed: number, place: Place): LoadedExperiment {
    const { source } = baseOf(this, point);
    const value = scalarNode(seed, place);
    return source.with([{ key: 'seed', keyPlace: place, value }, ...this.assignments(point)]).load();
  }

  /** @param splitKeys that decide which sequences the objective is measured on */
  check(point: Point, rule: PointRule, splitKeys: RegExp): void {
    const base = baseOf(this, point);
    const { experiment, problems } = base.source.with(this.assignments(point)).check();
    const found = [...problems, ...rule(experiment)];
    this.found.add(found, point);
    if (found.length > 0) return;
    const { training, seed, dataset } = experiment as Experiment;
    if (!this.epochs.has(training.num_epochs)) this.epochs.set(training.num_epochs, base);
    if (!this.seeds.has(seed)) this.seeds.set(seed, base);
    this.splits.add(JSON.stringify(flatValues({ dataset }).filter(([key]) => splitKeys.test(key))));
    if (training.max_steps !== undefined) this.endsBySteps = true;
  }

  private assignments(point: Point): readonly Assignment[] {
    return this.parameters.flatMap(parameter => {
      const value = point[parameter.name];
      return parameter.name === VARIANT || value === undefined ? [] : assignmentsOf(parameter, value);
    });
  }
}

/**
 * Diagnostics of many points. Equal ones are reported once, with the first point that has them and
 * the number of others; those that all points have are reported without a point.
 */
export class PointDiagnostics {
  private readonly found = new Map<string, { diagnostic: Diagnostic; point: Point; more: number }>();

  private total = 0;

  /** Adds those of a point, which may have none. */
  add(diagnostics: readonly Diagnostic[], point: Point): void {
    this.total += 1;
    for (const diagnostic of diagnostics) {
      const { code, message, file, line, column } = diagnostic;
      const key = `${file}:${line}:${column}:${code}:${message}`;
      const known = this.found.get(key);
      if (known !== undefined) known.more += 1;
      else this.found.set(key, { diagnostic, point, more: 0 });
    }
  }

  get diagnostics(): Diagnostic[] {
    return [...this.found.values()].map(({ diagnostic, point, more }) => {
      if (more + 1 === this.total) return diagnostic;
      const others = more === 0 ? '' : ` and ${more} more ${more === 1 ? 'point' : 'points'}`;
      return { ...diagnostic, message: `${diagnostic.message}; at ${describePoint(point)}${others}` };
    });
  }
}
