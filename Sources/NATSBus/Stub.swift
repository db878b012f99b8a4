import CNats
