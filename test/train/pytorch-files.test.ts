/** Files saved by PyTorch are refused with the command that converts them. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readSafetensors } from '../../src/run/safetensors.js';
import { UserError } from '../../src/util/errors.js';

const PYTHON = '/usr/bin/python3';
const hasTorch = spawnSync(PYTHON, ['-c', 'import torch']).status === 0;

/** The error for a file that starts with these bytes. */
function refusal(bytes: string): UserError | undefined {
  const file = work.file('weights.pt', Buffer.from(bytes, 'latin1'));
  try {
    readSafetensors(file);
  } catch (error) {
    if (error instanceof UserError) return error;
  }
  return undefined;
}

t.test('distinguishes files of torch.save from damaged ones', async t => {
  for (const bytes of ['PK\x03\x04 and more bytes', '\x80\x02\x8a\x0al\xfc and more bytes']) {
    const error = refusal(bytes);
    t.equal(error?.exitCode, 2);
    t.match(error?.diagnostics, [{ code: 'safetensors/pytorch', expected: /python3 -c 'import torch/ }]);
  }
  t.equal(refusal('\x10\x00\x00\x00\x00\x00\x00\x00{}')?.exitCode, 5);
});

/**
 * A stand-in for the part of the package safetensors that the command needs, written from the
 * format's description.
 */
const SAVE_FILE = `
import json, struct
def save_file(tensors, path):
    header, data = {}, b''
    for name, tensor in tensors.items():
        bytes_ = tensor.numpy().tobytes()
        header[name] = {'dtype': 'F32', 'shape': list(tensor.shape), 'data_offsets': [len(data), len(data) + len(bytes_)]}
        data += bytes_
    text = json.dumps(header).encode()
    open(path, 'wb').write(struct.pack('<Q', len(text)) + text + data)
`;

import { work } from '../support/work.js';

t.test(
  'the command that the error message prints converts the file',
  { skip: !hasTorch && 'no PyTorch' },
  async t => {
    const folder = work.folder();
    const python = (code: string) => spawnSync(PYTHON, ['-c', code], { cwd: folder, encoding: 'utf8' });
    const saved = python(
      "import torch; m = torch.nn.LSTM(2, 4); torch.save({'lstm.' + k: v for k, v in m.state_dict().items()}, 'w.pt'); print(m.weight_ih_l0[0, 0].item())",
    );
    t.equal(saved.status, 0, saved.stderr);
    const config = join(folder, 'config.yaml');
    const dataset = { kind: 'synthetic', problem: 'adding', sequence_length: 4, train_size: 8, test_size: 4 };
    writeFileSync(
      config,
      JSON.stringify({
        version: 1,
        name: 'converted',
        dataset,
        model: { cell: 'lstm', hidden_size: 4, head: { from: 'last' }, init_from: 'w.pt' },
        loss: { kind: 'mse' },
        optimizer: { kind: 'sgd', learning_rate: 0.1 },
        training: { num_epochs: 1, batch_size: 4 },
      }),
    );
    const refused = await work.cellrun('run', config);
    t.equal(refused.code, 2);
    const [, command] = /run: (python3 -c '.*')$/m.exec(refused.stderr) ?? [];
    mkdirSync(join(folder, 'safetensors'));
    writeFileSync(join(folder, 'safetensors', '__init__.py'), '');
    writeFileSync(join(folder, 'safetensors', 'torch.py'), SAVE_FILE);
    const converted = spawnSync('bash', ['-c', command.replace('python3', PYTHON)], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, PYTHONPATH: folder },
    });
    t.equal(converted.status, 0, converted.stderr);
    const { tensors } = readSafetensors(join(folder, 'w.safetensors'));
    t.same(tensors.get('lstm.weight_ih_l0')?.shape, [16, 2]);
    t.equal(tensors.get('lstm.weight_ih_l0')?.data[0], Number(saved.stdout));
    t.ok(readFileSync(join(folder, 'w.pt')).length > 0, 'the file stays');
  },
);
