"""What a whole corpus is reduced to while its texts stream through the model: means by layer, means by word."""
