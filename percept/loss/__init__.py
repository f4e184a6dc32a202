"""Losses to train with: modules of PyTorch that are called as ``loss(reference, degraded)``.

Conventions:
    Waveforms are ``[B, T]`` or ``[B, C, T]`` (the mean of the channels is taken), full scale 1; reference first,
    degraded second, equally long and aligned. Gradients reach both.
    A loss is 0 on identical waveforms, and the mean over the batch unless `reduction` says otherwise.
    Letters: B batch, C channel, T sample, F frame, D feature, N windows that go through the network together.

Modules: `perceptual`: the distance of two embeddings, `PerceptualLoss`. `stft`: `MultiResolutionSTFTLoss`. `terms`:
what they share, and `WeightedSum`, which ``loss_a + 0.1 * loss_b`` makes. `distances`: the arithmetic.
"""
