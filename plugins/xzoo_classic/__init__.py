"""Small networks trained from random weights on one-channel images of 256 x 256: what a pretrained backbone has to beat."""
