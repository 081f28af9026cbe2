/** The layers of a model, however its config says them. */
import type { LayerConfig, ModelConfig } from '../experiment.js';

/** The recurrent layers, the first of which reads the data. */
export function layersOf(model: ModelConfig): readonly LayerConfig[] {
  if ('layers' in model) return model.layers;
  const { num_layers, dropout, embedding, head, num_classes, init_from, ...layer } = model;
  return Array.from({ length: num_layers }, () => layer);
}
