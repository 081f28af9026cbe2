/** A trained model as an ONNX file. */
import { usageError } from '../../util/errors.js';
import type { PredictorFormat, Source } from '../predictor.js';
import { verify } from '../verify.js';
import { stateInputs, writeModel } from './model.js';
import { startOnnx } from './runtime.js';
import { encodeModel } from './writer.js';

const FILE = 'model.onnx';

export const onnx: PredictorFormat = {
  files(source) {
    refuse(source);
    const { saved, model, facts } = source;
    const { experiment } = model;
    const content = encodeModel({
      graph: writeModel(source),
      producerVersion: saved.manifest?.versions.cellrun ?? '',
      description: experiment.description ?? experiment.name,
      metadata: Object.fromEntries(
        Object.entries(facts).flatMap(([key, value]) =>
          value === undefined ? [] : [[key, typeof value === 'string' ? value : JSON.stringify(value)]],
        ),
      ),
    });
    return new Map([[FILE, [content]]]);
  },
  verify: (files, source) =>
    verify(source, () => startOnnx(Buffer.concat(files.get(FILE) ?? []), stateInputs(source.spec))),
};

function refuse({ saved: { path }, spec }: Source): void {
  if (!spec.decoder) return;
  const message = 'a model with a decoder cannot be exported as one ONNX graph';
  throw usageError('export/onnx', message, { file: path, expected: '`--format pytorch`' });
}
