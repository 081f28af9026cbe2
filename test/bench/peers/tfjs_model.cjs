/** The model that TensorFlow.js trains in `npm run bench`, in Node and in pages. */
module.exports = (tf, { sequence_length, input_size, hidden_size, num_layers, num_classes }) => {
  const model = tf.sequential();
  for (let layer = 0; layer < num_layers; layer++) {
    model.add(
      tf.layers.lstm({
        units: hidden_size,
        returnSequences: layer < num_layers - 1,
        recurrentActivation: 'sigmoid',
        ...(layer === 0 && { inputShape: [sequence_length, input_size] }),
      }),
    );
  }
  model.add(tf.layers.dense({ units: num_classes, activation: 'softmax' }));
  model.compile({ optimizer: tf.train.adam(0.01), loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  return model;
};
