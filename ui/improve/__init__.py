"""Improving the model on people's judgements: collect, train, evaluate, promote."""
