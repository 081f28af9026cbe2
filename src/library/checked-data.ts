/** Checks that a config fits its data, for one config or the points of a sweep. */
import { checkAgainstData, type LoadedExperiment, locateInConfig } from '../config/index.js';
import type { Dataset } from '../data/index.js';
import { ParameterLayout } from '../math/model/parameters.js';
import type { ModelSpec } from '../math/model/spec.js';
import { checkName } from '../run/folders.js';
import type { LoadedSweep } from '../sweep/config/load.js';
import { PointDiagnostics } from '../sweep/config/points.js';
import { VARIANT } from '../sweep/directory.js';
import type { Point } from '../sweep/search/space.js';
import { gateReferences, initialParameters, modelSpec, openData, streamsOf } from '../train/session.js';
import { type Diagnostic, EXIT, UserError, usageError } from '../util/errors.js';

/**
 * Opens the data of a config, and returns problems and warnings about both; `spec` if there are no
 * problems.
 * @throws UserError (exit 2 or 5) if the data cannot be opened or are damaged
 */
export async function checkedData(loaded: LoadedExperiment, open = () => openData(loaded.experiment)) {
  const { experiment } = loaded;
  try {
    checkName(experiment.name, loaded.locator.atValue(['name'], 'run/name', ''));
    const data = await open();
    const { diagnostics, warnings, sizes } = checkAgainstData(loaded, data);
    gateReferences(loaded);
    const spec = diagnostics.length > 0 ? undefined : modelSpec(loaded, sizes);
    if (spec) initialParameters(loaded, spec);
    return { data, diagnostics, warnings, spec };
  } catch (error) {
    throw error instanceof UserError ? locateInConfig(error, loaded) : error;
  }
}

/** Keys that determine whether a config fits its data, and the size of the model. */
const DECISIVE = [VARIANT, 'dataset', 'model', 'loss', 'training.batch_size', 'training.last_batch'];

export class SweepModels {
  private readonly datasets = new Map<string, Promise<Dataset>>();

  constructor(private readonly sweep: LoadedSweep) {}

  /** Checks the points against their data, and returns warnings. */
  async check(): Promise<readonly Diagnostic[]> {
    checkName(this.sweep.plan.name);
    const problems = new PointDiagnostics();
    const warnings = new Map<string, Diagnostic>();
    for (const point of this.distinct()) {
      let found: readonly Diagnostic[] = [];
      try {
        for (const warning of (await this.open(point)).warnings) warnings.set(warning.message, warning);
      } catch (error) {
        if (!(error instanceof UserError) || error.exitCode !== EXIT.usage) throw error;
        found = error.diagnostics;
      }
      problems.add(found, decisive(point));
    }
    if (problems.diagnostics.length > 0) throw usageError(...problems.diagnostics);
    return [...warnings.values()];
  }

  /** The number of parameters of the point's model. */
  async parametersAt(point: Point): Promise<number> {
    const { spec } = await this.open(point);
    return new ParameterLayout(spec).size;
  }

  /** Returns one point of each group with equal decisive keys. */
  private distinct(): readonly Point[] {
    const points = new Map<string, Point>();
    for (const point of this.sweep.points) {
      const key = JSON.stringify(decisive(point));
      if (!points.has(key)) points.set(key, point);
    }
    return [...points.values()];
  }

  private async open(point: Point): Promise<{ spec: ModelSpec; warnings: readonly Diagnostic[] }> {
    const loaded = this.sweep.configAt(point);
    const { diagnostics, warnings, spec } = await checkedData(loaded, () => this.dataset(loaded));
    if (spec === undefined) throw usageError(...diagnostics);
    return { spec, warnings };
  }

  private dataset({ experiment }: LoadedExperiment): Promise<Dataset> {
    const { dataset, seed, loss, training } = experiment;
    const key = JSON.stringify([dataset, seed, loss.kind, streamsOf(training)]);
    const known = this.datasets.get(key) ?? openData(experiment);
    this.datasets.set(key, known);
    return known;
  }
}

/** The decisive keys of a point. */
function decisive(point: Point): Point {
  const kept = Object.entries(point).filter(([name]) =>
    name.split(',').some(key => DECISIVE.some(one => key === one || key.startsWith(`${one}.`))),
  );
  return Object.fromEntries(kept);
}
