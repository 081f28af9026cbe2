/** Rules about the model and about the order of batches that the schema cannot express. */
import { layersOf } from '../math/model/settings.js';
import type { Diagnostic } from '../util/errors.js';
import type { Experiment, LayerConfig, PartialExperiment } from './experiment.js';
import type { Locator } from './yaml/locator.js';
import type { Path } from './yaml/tree.js';

export function checkModel(experiment: PartialExperiment, locator: Locator): Diagnostic[] {
  const { model } = experiment;
  const layers: readonly [LayerConfig, Path][] =
    model === undefined
      ? []
      : 'layers' in model
        ? model.layers.map((layer, i) => [layer, ['model', 'layers', i]])
        : [[layersOf(model)[0], ['model']]];
  return [
    ...layers.flatMap(([layer, path]) => checkLayer(layer, path, locator)),
    ...checkCarriedState(experiment, layers, locator),
  ];
}

function checkLayer(layer: LayerConfig, path: Path, locator: Locator): Diagnostic[] {
  if (layer.cell !== 'lstm' || layer.projection_size === undefined) return [];
  const { hidden_size, projection_size, layer_norm } = layer;
  const found: Diagnostic[] = [];
  if (projection_size >= hidden_size) {
    const message = `\`projection_size\` must be less than \`hidden_size\` (${hidden_size})`;
    const more = {
      ...(hidden_size > 1 && { expected: `at most ${hidden_size - 1}` }),
      got: String(projection_size),
    };
    found.push(locator.atValue([...path, 'projection_size'], 'config/projection-size', message, more));
  }
  if (layer_norm) {
    const message = '`layer_norm` and `projection_size` cannot be combined';
    const expected = 'one or the other';
    found.push(locator.atKey([...path, 'layer_norm'], 'config/layer-norm', message, { expected }));
  }
  return found;
}

/**
 * Row b of a batch can continue row b of the previous one only if the data keep their order and all
 * layers read forward.
 */
function checkCarriedState(
  { training }: PartialExperiment,
  layers: readonly [LayerConfig, Path][],
  locator: Locator,
): Diagnostic[] {
  if (!training?.carry_state) return [];
  const found: Diagnostic[] = [];
  const report = (path: Path, message: string, expected: string): void => {
    const at = locator.isGiven(path) ? path : ['training', 'carry_state'];
    found.push(locator.atKey(at, 'config/carry-state', message, { expected }));
  };
  const reverse = layers.find(([layer]) => layer.bidirectional);
  if (reverse !== undefined) {
    const message =
      '`carry_state` cannot be combined with `bidirectional`: the reverse direction would start in the state of a later batch';
    report([...reverse[1], 'bidirectional'], message, '`bidirectional: false`, or `carry_state: false`');
  }
  if (training.shuffle) {
    const message =
      '`carry_state` cannot be combined with `shuffle`: row b of a batch must continue row b of the previous batch';
    report(
      ['training', 'shuffle'],
      message,
      '`shuffle: false`, with data ordered so that each row continues the row of the previous batch',
    );
  }
  if (training.bucket_by_length) {
    const message =
      '`carry_state` cannot be combined with `bucket_by_length`: row b of a batch must continue row b of the previous batch';
    report(['training', 'bucket_by_length'], message, '`bucket_by_length: false`');
  }
  if (training.eval_batch_size !== training.batch_size) {
    const message =
      'with `carry_state`, `eval_batch_size` must equal `batch_size`, which determines which sequence continues which';
    report(
      ['training', 'eval_batch_size'],
      message,
      `\`eval_batch_size: ${training.batch_size}\`, or leave it out`,
    );
  }
  return found;
}

/** Warns of keys that have no effect. */
export function modelWarnings({ model }: Experiment, locator: Locator): Diagnostic[] {
  const found: Diagnostic[] = [];
  if (model.dropout > 0 && layersOf(model).length === 1) {
    const message =
      '`model.dropout` has no effect: it applies between recurrent layers, and this model has only one';
    found.push(locator.atValue(['model', 'dropout'], 'config/no-dropout', message));
  }
  if (model.head.dropout > 0 && model.head.hidden_sizes.length === 0) {
    const message =
      '`model.head.dropout` has no effect: it applies to the layers of `hidden_sizes`, and there are none';
    found.push(locator.atValue(['model', 'head', 'dropout'], 'config/no-dropout', message));
  }
  return found;
}
