/** What a task checks of a config and its data, last before training. */
import type { Dataset, Split } from '../../data/core/dataset.js';
import type { Targets } from '../../data/core/targets.js';
import type { LossConfig } from '../../math/losses/index.js';
import type { ModelConfig } from '../../math/model/settings.js';
import type { Diagnostic, Places } from '../../util/errors.js';

export interface CheckedTask {
  readonly loss: LossConfig;
  readonly model: ModelConfig;
  readonly decode?: { readonly limit?: number | undefined } | undefined;
  /** True if a threshold is asked for. */
  readonly hasThreshold: boolean;
  readonly data: Dataset;
  /** Those that are not empty, by their names in messages. */
  readonly splits: Readonly<Record<string, Split>>;
  /** C, outputs of the model for each prediction. */
  readonly outputSize: number;
  readonly places: Places;
}

export interface TaskChecks {
  /**
   * C, outputs of the model for each prediction.
   * @param classes number of classes, or of symbols of targets
   */
  outputs(loss: LossConfig, targets: Targets, classes: number): number;
  /** What makes training impossible. */
  problems(checked: CheckedTask): Iterable<Diagnostic>;
  /** Labels that are wrong at their places in the data. */
  damage(checked: CheckedTask): Iterable<Diagnostic>;
  warnings(checked: CheckedTask): Iterable<Diagnostic>;
}
